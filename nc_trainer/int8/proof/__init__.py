"""Proof of what is applied to a model: it is found by watching probes, and kept where the bits of the logits agree."""

from nc_trainer.int8.proof.prove import Proof, proven
from nc_trainer.int8.proof.refused import without_refused
from nc_trainer.int8.proof.state import unchanged

__all__ = ["Proof", "proven", "unchanged", "without_refused"]
