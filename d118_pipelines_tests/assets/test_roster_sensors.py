"""Files that arrive start one run: the sensors of providers of files, evaluated as
Dagster's daemon does it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from d118_pipelines.definitions import build_definitions
from d118_pipelines_tests.support.in_process import execute, metadata
from d118_pipelines_tests.support.project import REPOSITORY
from d118_pipelines_tests.support.roster_sync import RosterProject, entry
from d118_pipelines_tests.support.small_sets import PROVIDER, put_set

USERS = "id,first_name,last_name,role,email\n1,Ada,Alder,student,ada@school.example\n"


class Watch:
    """A provider's sensor with the cursor and run keys that Dagster would keep."""

    def __init__(self, project: RosterProject, provider: str) -> None:
        defs = build_definitions(project.project)
        self._project = project
        self.sensor = defs.resolve_sensor_def(f"{provider}_files_sensor")
        self._cursor: str | None = None
        self._known: set[str] = set()

    def look(self) -> list[dg.RunRequest]:
        """Look once; the runs that are started by it."""
        with self._project.entered():
            context = dg.build_sensor_context(cursor=self._cursor)
            found = self.sensor.evaluate_tick(context)
        self._cursor = found.cursor
        # Dagster starts no second run of a key.
        new = [r for r in found.run_requests or [] if r.run_key not in self._known]
        self._known |= {str(request.run_key) for request in new}
        return new


@pytest.fixture
def sheets(tmp_path: Path) -> RosterProject:
    return RosterProject(tmp_path / "project", entry("sheets", "CSV", {}))


def drop(project: RosterProject, text: str = USERS, name: str = "users.csv") -> Path:
    path = project.home / "inbox/sheets" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_files_that_stand_still_start_one_run(sheets: RosterProject) -> None:
    watch = Watch(sheets, "sheets")
    assert watch.look() == []
    path = drop(sheets, USERS[:-9])
    assert watch.look() == [], "it may still grow"
    path.write_text(USERS, "utf-8")
    assert watch.look() == [], "it has grown"

    [request] = watch.look()
    again = [watch.look() for _ in range(3)]

    assert watch.sensor.job_name == "sync_sheets"
    assert watch.sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert request.tags["sis/trigger"] == "sensor"
    assert again == [[], [], []]


def test_the_same_contents_dropped_again_start_none_and_others_do(
    sheets: RosterProject,
) -> None:
    watch = Watch(sheets, "sheets")
    drop(sheets)
    watch.look()
    assert len(watch.look()) == 1
    drop(sheets).touch()
    same = [watch.look(), watch.look()]
    drop(sheets, USERS + "2,Bo,Birch,student,bo@school.example\n")
    other = [watch.look(), watch.look()]

    assert same == [[], []]
    assert [len(found) for found in other] == [0, 1]


@pytest.mark.long
def test_a_sync_takes_what_was_dropped_and_clears_the_inbox(
    sheets: RosterProject,
) -> None:
    templates = list((REPOSITORY / "examples/csv").glob("*.csv"))
    for path in templates:
        drop(sheets, path.read_text("utf-8"), path.name)
    inbox = sheets.home / "inbox/sheets"

    result = execute(sheets, "sync_sheets")

    assert result.success
    assert metadata(result, "roster/sheets/apply")["created users"].value > 0
    assert list(inbox.glob("*.csv")) == []
    kept = {p.name: p.read_bytes() for p in (inbox / "processed").rglob("*.csv")}
    assert kept == {path.name: path.read_bytes() for path in templates}


def test_what_was_not_applied_stays_in_the_inbox(sheets: RosterProject) -> None:
    path = drop(sheets, "colour\nred\n")

    assert not execute(sheets, "sync_sheets").success

    assert path.exists()


def test_vendors_files_start_a_run_when_all_stand_still(tmp_path: Path) -> None:
    files = {
        "routes": {"file": "routes_*.csv", "columns": {"route": "text"}},
        "stops": {"file": "stops.txt", "columns": {"stop": "text"}},
    }
    buses = entry("buses", "VENDOR_FILE", {"files": files})
    project = RosterProject(tmp_path / "project", buses)
    watch = Watch(project, "buses")
    inbox = project.home / "inbox/buses"
    inbox.mkdir(parents=True, exist_ok=True)
    (inbox / "routes_1.csv").write_text("route\nR1\n")
    assert watch.look() + watch.look() == [], "stops.txt is missing"
    (inbox / "stops.txt").write_text("stop\nOak\n")
    assert watch.look() == [], "it may still grow"

    (inbox / "notes.csv").write_text("nothing that is declared")
    [request] = watch.look()

    assert watch.sensor.job_name == "sync_buses"
    assert request.tags["sis/trigger"] == "sensor"
    assert watch.look() == []
    (inbox / "routes_2.csv").write_text("route\nnobody reads these rows")
    assert [len(watch.look()) for _ in range(3)] == [0, 1, 0], "the newest file counts"
    (inbox / "routes_2.csv").write_text("route\nR2\n")
    found = [len(watch.look()) for _ in range(3)]
    assert found == [0, 1, 0], "a file that was never stored holds nothing up"


def test_a_oneroster_set_starts_a_run_when_it_is_whole(tmp_path: Path) -> None:
    project = RosterProject(tmp_path / "project", PROVIDER)
    watch = Watch(project, "files")
    assert watch.look() == []
    put_set(project.root, 3)
    manifest = project.root / "incoming/manifest.csv"
    text = manifest.read_bytes()
    manifest.unlink()
    without = [watch.look(), watch.look()]
    manifest.write_bytes(text)
    whole = [watch.look(), watch.look(), watch.look()]

    assert without == [[], []]
    assert [len(found) for found in whole] == [0, 1, 0]
