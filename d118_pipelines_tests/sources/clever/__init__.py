"""The Clever source against a loopback server."""
