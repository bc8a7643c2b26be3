"""Clever's files for District 118: docs/reference/clever_sftp.md."""
