"""Tests of the roster: staging, matching, planning, applying."""
