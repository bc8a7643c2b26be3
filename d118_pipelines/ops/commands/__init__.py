"""The commands of `d118`, one module per task."""
