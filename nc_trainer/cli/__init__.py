"""The command line: `nc-trainer quantize | gate | benchmark | convert | report | demo`."""

from nc_trainer.cli.main import main, make_parser

__all__ = ["main", "make_parser"]
