"""What the example scripts share: options, loading, rows, the modes of a run."""
