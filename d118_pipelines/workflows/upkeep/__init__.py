"""A year of it: retention, backup and restore, upgrade, a folder for each district."""
