"""Data of text jobs: files, tables, labels, tokens. What is GLUE's own is in `glue/`."""
