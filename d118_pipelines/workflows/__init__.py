"""The use cases: they join sources, roster, targets and delivery."""
