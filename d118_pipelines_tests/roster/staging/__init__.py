"""Staging of rosters."""
