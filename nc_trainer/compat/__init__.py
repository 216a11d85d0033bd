"""The names of Neural Compressor over the same search, with a function or dataloaders in place of a Trainer."""
