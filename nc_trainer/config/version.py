"""The version, which directories and journals name."""

__version__ = "0.1.0.dev0"
