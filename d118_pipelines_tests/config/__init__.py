"""Tests of `d118_pipelines/config/`."""
