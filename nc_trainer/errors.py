"""The errors a user of nc_trainer can cause; each message says what is wrong, what was expected and what to do."""


class NCTrainerError(ValueError):
    """Base of every error that nc_trainer raises for bad input."""


class ConfigError(NCTrainerError):
    """A tuning configuration (YAML or Python) is not valid; the message names the key."""


class QuantizationError(NCTrainerError):
    """The model, the trainer or the data cannot be quantized as asked."""


class CheckpointError(NCTrainerError):
    """An int8 directory is missing something, holds something unexpected, or is damaged."""


class SavingError(NCTrainerError):
    """A model cannot be saved where it was asked for; what is there is as it was."""


class TrainingRefusedError(NCTrainerError):
    """Training was asked of a model whose weights are int8 and frozen."""
