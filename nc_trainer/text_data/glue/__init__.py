"""Text classification data: GLUE folders, csv and json files, tokenization and metrics. Works offline."""
