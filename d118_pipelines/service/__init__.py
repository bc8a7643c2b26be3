"""Dagster's services as processes, and the guard in front of its web server."""
