"""Tests of PowerSchool's roster queries."""
