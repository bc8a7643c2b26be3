"""Sending a finished set of files and reading it back. Knows nothing of rosters."""
