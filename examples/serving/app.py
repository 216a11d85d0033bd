"""A service that classifies texts: `gunicorn --config gunicorn_conf.py app:app`. See README.md beside this file."""

import os
from threading import Lock

from classifier import Classifier
from fastapi import FastAPI
from pydantic import BaseModel, Field

MOST_TEXTS = 64


class Texts(BaseModel):
    """What is asked: a few texts, which are one batch."""

    texts: list[str] = Field(max_length=MOST_TEXTS)


class Answer(BaseModel):
    """What is answered to one text."""

    label: str
    score: float


classifier = Classifier(os.environ["MODEL"])
its_turn = Lock()
"""A process has one core: requests that compute at the same time would wait for each other at every operation."""
app = FastAPI()


@app.post("/classify")
def classify(asked: Texts) -> list[Answer]:
    """The label of each text. FastAPI runs what is not `async` in a pool of threads."""
    with its_turn:
        answers = classifier.classify(asked.texts)
    return [Answer(**answer) for answer in answers]


@app.get("/health")
def health() -> dict[str, str]:
    """That the model is loaded."""
    return {"status": "ok"}
