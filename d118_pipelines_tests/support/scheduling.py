"""Which test process gets which file, and in which order; called by `conftest.py`."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

TOGETHER = "browser/"
"""One `dagster dev` serves the files of this folder, so one process runs them."""
SLOWEST_FIRST = (
    TOGETHER,
    "docs/test_commands.py",
    "targets/draft/test_proof.py",
    "roster/planning/test_properties.py",
    "faults/test_runs_together.py",
    "assets/test_killed_rosters.py",
    "cases/test_case_schedules.py",
    "docs/test_install.py",
    "service/",
    "targets/oneroster/",
    "golden/test_golden_rosters.py",
    "faults/test_canaries.py",
    "faults/test_roster_",
    "docs/test_postgresql.py",
    "faults/test_killed",
    "test_wheel.py",
    "roster/",
    "workflows/targets/test_scim",
    "console/",
    "sources/powerschool/",
    "targets/",
    "assets/",
    "delivery/scim/",
)
"""Beginnings of paths below this package. What takes long and comes last is waited for."""


def place(path: str) -> int:
    """Where in the run a file comes; files of the same place keep their order."""
    ranks = (n for n, start in enumerate(SLOWEST_FIRST) if path.startswith(start))
    return next(ranks, len(SLOWEST_FIRST))


class FileScheduling(LoadFileScheduling):
    """As `--dist loadfile`, in the order of the collection."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return TOGETHER if f"/{TOGETHER}" in file else file
