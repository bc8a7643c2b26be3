"""Inputs from the field, one folder each, and what must become of them."""
