"""Drafting a target from files."""
