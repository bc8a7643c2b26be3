"""A target out: export, check, deliver, provision; a target drafted or copied."""
