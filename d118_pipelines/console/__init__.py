"""The guard in front of Dagster's web server, and what `make ui` starts."""
