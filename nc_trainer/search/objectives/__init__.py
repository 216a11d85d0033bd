"""What orders the recipes that are accepted: time, size, the metric, and how far explanations moved."""
