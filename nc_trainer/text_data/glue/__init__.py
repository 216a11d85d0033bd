"""What is GLUE's own: tasks, folders, tables and metrics. Works offline."""
