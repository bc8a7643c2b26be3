"""Rosters from the Clever Data API."""
