"""Tests of `d118_pipelines/service/`."""
