"""What is learned from a few unlabelled batches: how sensitive each module is."""
