"""Tests of `d118_pipelines/console/`."""
