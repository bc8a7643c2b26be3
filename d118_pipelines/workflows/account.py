"""Who is at the keyboard, for approvals and the audit log.

Belongs here: the account's name. Not here: whether it may do something.
"""

from __future__ import annotations

import getpass
import os


def account() -> str:
    """The operating system's name for who runs this, else the number of the account."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return f"uid {os.getuid()}"
