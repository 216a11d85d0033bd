"""The same search with a function or dataloaders in place of a Trainer, for the names of Neural Compressor."""
