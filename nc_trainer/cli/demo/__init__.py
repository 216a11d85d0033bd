"""What `make demo` runs: generate data, train a classifier, quantize it, reload it, compare. No download."""

from nc_trainer.cli.demo.run import run
from nc_trainer.cli.demo.yours import run_yours

__all__ = ["run", "run_yours"]
