"""The Dagster assets, one thin module per layer."""
