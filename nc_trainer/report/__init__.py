"""What a search looked like, as text."""

from nc_trainer.report.trial_table import trial_table

__all__ = ["trial_table"]
