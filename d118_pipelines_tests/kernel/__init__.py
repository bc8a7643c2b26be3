"""Tests of `d118_pipelines/kernel/`."""
