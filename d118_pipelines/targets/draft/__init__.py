"""A target drafted from a file that another program sent: docs/from_script_to_target.md."""
