"""What runs the peers: models, workloads, timing, the record and how it is shown."""
