"""Gunicorn: the model is loaded once, then one process for each core is forked, which shares its weights."""

import os
from typing import Any

import torch

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WORKERS", os.cpu_count() or 1))
worker_class = "asgi"
preload_app = True
torch.set_num_threads(1)  # before anything is computed: threads do not survive a fork


def post_fork(server: Any, worker: Any) -> None:
    """One thread for each process, and no request is the first."""
    from app import classifier  # loaded by now

    torch.set_num_threads(1)
    classifier.warm_up()
