"""Tests of the roster database, on both engines."""
