"""Talking to the systems that rosters come from. Knows no Dagster and no roster rule."""
