"""For every test: no model hub, and a deprecated use of transformers fails the test."""

import logging
import os
from collections.abc import Iterator

import hypothesis
import pytest
import torch

# The models here are tiny: a second thread costs more than it gives, and much more beside other processes.
torch.set_num_threads(1)
# A deadline would be a timed assertion.
hypothesis.settings.register_profile("nc_trainer", deadline=None)
hypothesis.settings.load_profile("nc_trainer")
os.environ["HF_HUB_OFFLINE"] = "1"

# Transformer-XL's tokenizer calls itself deprecated whenever it is made, and says why:
# https://github.com/huggingface/transformers/blob/v4.57.6/docs/source/en/model_doc/transfo-xl.md
# It is tested because people have such checkpoints; this goes together with the support of 4.57.
UNAVOIDABLE = "`TransfoXL` was deprecated"


class DeprecationRecorder(logging.Handler):
    """Keeps what transformers logs (it does not always warn) about deprecated use."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if "deprecated" in message and not message.startswith(UNAVOIDABLE):
            self.messages.append(message)


@pytest.fixture(autouse=True)
def no_deprecated_use_of_transformers() -> Iterator[None]:
    recorder = DeprecationRecorder()
    logger = logging.getLogger("transformers")
    logger.addHandler(recorder)
    yield
    logger.removeHandler(recorder)
    assert recorder.messages == []


@pytest.fixture(autouse=True)
def reports_time_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timing for the report would take longer than the search for a tiny model. Tests of the report override this."""
    from nc_trainer.report.report_data import Speed  # after HF_HUB_OFFLINE is set

    monkeypatch.setattr("nc_trainer.report.collect.measure_speed", lambda *args: Speed(note="Not in tests."))


@pytest.fixture
def strategies_as_they_were() -> Iterator[None]:
    """What a test registers is gone after it."""
    from nc_trainer.search import STRATEGIES  # after HF_HUB_OFFLINE is set

    before = dict(STRATEGIES)
    yield
    STRATEGIES.clear()
    STRATEGIES.update(before)
