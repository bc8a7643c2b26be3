"""Benchmarks: generated districts, a plain script as the baseline, and the measuring."""
