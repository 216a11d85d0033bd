"""What the example scripts share: options, loading of a model, and the modes train, tune, benchmark and evaluate."""
