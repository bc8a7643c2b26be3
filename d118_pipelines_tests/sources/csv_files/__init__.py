"""Tests of the source of plain CSV files, over real files."""
