"""Tests of PowerSchool as a provider of rosters."""
