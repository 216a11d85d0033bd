"""What a search looked like, as text."""

from nc_trainer.report.table import trial_table

__all__ = ["trial_table"]
