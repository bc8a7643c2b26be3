"""Tests of `d118_pipelines/demo/`."""
