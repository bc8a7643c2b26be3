"""One person through every system: explain, the disclosure register, erasure."""
