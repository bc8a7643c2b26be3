"""Who is at the keyboard, for approvals and the audit log.

Called by the command line and the job `approve`.
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
