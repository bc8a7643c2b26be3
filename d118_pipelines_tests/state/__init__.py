"""Tests of `d118_pipelines/state/`."""
