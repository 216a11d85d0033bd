"""Where Neural Compressor had its helpers; see `load_huggingface`."""
