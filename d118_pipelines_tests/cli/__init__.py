"""Tests of `d118_pipelines/cli/`."""
