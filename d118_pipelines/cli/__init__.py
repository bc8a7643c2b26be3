"""The command `d118`."""
