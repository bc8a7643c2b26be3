"""Tests of matching, plan and guard of rosters."""
