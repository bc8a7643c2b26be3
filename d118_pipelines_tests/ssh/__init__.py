"""Tests of `d118_pipelines/ssh/`."""
