"""One fault stops one thing: a broken target or provider is told, and all else runs.

Belongs here: what loads beside each kind of typo, and what status, doctor, register and
Dagster say. Not here: the texts of single mistakes (`test_providers.py`,
`targets/test_definition.py`).
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import dagster as dg
import pytest
from pytest_httpserver import HTTPServer

from d118_pipelines.config.providers import FILE
from d118_pipelines.config.quarantine import Misconfigured
from d118_pipelines.definitions import build_definitions
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import is_cron, utc_now
from d118_pipelines.kernel.text import markdown
from d118_pipelines.sensors import configuration_sensor
from d118_pipelines.workflows.monitoring.all_feeds import Feeds, load_feeds, named_feed
from d118_pipelines.workflows.people.disclosures import register
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.project import OF_STAFF, ProjectFolder
from d118_pipelines_tests.targets.badges import FILES, SQL, YAML
from d118_pipelines_tests.workflows.monitoring.test_alerts import look

NEW = "mappings/targets/badges.yaml"
SQL_FILE = "sql/exports/badges/people.sql"
SCHEDULE = 'schedule: {cron: "15 4 * * *", deadline: "0 6 * * *"}\n'
TYPO = YAML.replace("guard:", "gaurd:")
TYPO_LINE = TYPO[: TYPO.index("gaurd:")].count("\n") + 1
SIS = {"id": "sis", "type": "POWERSCHOOL", "name": "SIS"}
SHEETS = {"id": "sheets", "type": "CSV", "name": "Sheets"}


@pytest.fixture
def fresh(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project", PEOPLE)


def add(project: ProjectFolder, files: dict[str, str | bytes]) -> None:
    for name, text in files.items():
        path = project.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def feeds(project: ProjectFolder) -> Feeds:
    with project.entered():
        return load_feeds(project.project)


# What is added -> name, and what is said of it.
TARGETS: dict[str, tuple[dict[str, str | bytes], str, str]] = {
    "a misspelled key": (
        {**FILES, NEW: TYPO},
        *("badges", f"{NEW}:{TYPO_LINE}, key gaurd: unknown key"),
    ),
    "wrong indentation": (
        {**FILES, NEW: YAML.replace("\n  sql:", "\n sql:")},
        *("badges", f"{NEW}:9: {NEW} is not valid YAML: "),
    ),
    "a tab": (
        {**FILES, NEW: YAML.replace("\n  sql:", "\n\tsql:")},
        *("badges", "the line has a tab"),
    ),
    "a key twice": (
        {**FILES, NEW: YAML + "title: Again\n"},
        *("badges", "the key title occurs twice"),
    ),
    "a list for a mapping": (
        {**FILES, NEW: YAML.replace("population:\n  sql", "population:\n- sql")},
        *("badges", f"{NEW}:7, key population: input should be a valid dictionary"),
    ),
    "a list of all": ({**FILES, NEW: "- a\n"}, "badges", "must be a mapping of keys"),
    "a word": ({**FILES, NEW: "badges"}, "badges", "must be a mapping of keys"),
    "an empty file": ({**FILES, NEW: ""}, "badges", "key title: missing key"),
    "a binary file": ({**FILES, NEW: bytes(range(256))}, "badges", "UTF-8"),
    "capital letters": (
        {**FILES, "mappings/targets/Badges.yaml": YAML},
        *("Badges", "the file's name must be small letters"),
    ),
    "a word of Dagster": (
        {**FILES, "mappings/targets/config.yaml": YAML},
        *("config", "the file's name must be small letters"),
    ),
    "a provider's job": (
        {**FILES, "mappings/targets/sync_sheets.yaml": YAML},
        *("sync_sheets", "the file's name must be small letters"),
    ),
    "two targets of one name": (
        {**FILES, "mappings/targets/badges.yml": YAML},
        *("badges.yml", "the name of a target's file ends with .yaml"),
    ),
    "another ending": (
        {**FILES, "mappings/targets/badges.YAML": YAML},
        *("badges.YAML", "the name of a target's file ends with .yaml"),
    ),
    "a missing layout": (
        {**FILES, NEW: f"extends: nothing\n{YAML}"},
        *("badges", "mappings/layouts/nothing.yaml does not exist"),
    ),
    "a missing SQL file": ({NEW: YAML}, "badges", f"{SQL_FILE} does not exist"),
    "a binary SQL file": (
        {**FILES, SQL_FILE: bytes(range(256))},
        *("badges", f"{SQL_FILE} is not plain text in UTF-8"),
    ),
    "a query that is not there": (
        {**FILES, SQL_FILE: SQL.replace("hr_records_staff", "badge_people")},
        *("badges", f"{SQL_FILE}:3: badges reads raw.powerschool.badge_people"),
    ),
    "a query that is no text": (
        {
            **FILES,
            SQL_FILE: SQL.replace("hr_records_staff", "odd"),
            "sql/powerschool/odd.sql": bytes(range(256)),
        },
        *("badges", "sql/powerschool/odd.sql cannot be read"),
    ),
    "a cron of last days": (
        {**FILES, NEW: YAML + SCHEDULE.replace("4 * * *", "4 * * 5L")},
        *("badges", "key schedule.cron"),
    ),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_broken_target_is_told_and_all_else_loads(
    fresh: ProjectFolder, name: str
) -> None:
    files, broken, said = TARGETS[name]
    add(fresh, files)

    found = feeds(fresh)

    [one] = found.broken
    assert (one.kind, one.name) == ("target", broken)
    assert said in one.line
    names = [target.name for target in found.targets]
    assert set(OF_STAFF) <= set(names)
    assert len(names) == len(set(names))


def test_a_folder_named_as_a_yaml_file_is_told(fresh: ProjectFolder) -> None:
    (fresh.root / NEW).mkdir()

    [one] = feeds(fresh).broken

    assert one.line.startswith(f"{NEW} cannot be read: it is not a file")


@pytest.mark.parametrize("name", [".#badges.yaml", ".badges.yaml", "badges.yaml~"])
def test_what_an_editor_leaves_is_no_target(fresh: ProjectFolder, name: str) -> None:
    (fresh.root / "mappings/targets" / name).symlink_to("nothing")

    assert feeds(fresh).broken == []


def test_a_missing_mapping_file_stops_its_provider(fresh: ProjectFolder) -> None:
    fresh.set_providers({**SHEETS, "mapping": "mappings/none.yaml"}, SIS)

    found = feeds(fresh)

    [one] = found.broken
    assert (one.kind, one.name) == ("provider", "sheets")
    assert "mappings/none.yaml does not exist" in one.line
    assert [provider.id for provider in found.providers] == ["sis"]


PROVIDERS = {
    "an unknown key": ({**SHEETS, "colour": 1}, "sheets", "[1].colour: unknown key"),
    "one that is disabled": (
        {**SHEETS, "enabled": False, "colour": 1},
        *("sheets", "providers[1].colour: unknown key"),
    ),
    "no mapping": ("sheets", "entry_2", "providers[1]"),
    "no id": ({**SHEETS, "id": None}, "entry_2", "providers[1].id"),
    "an id that is none": ({**SHEETS, "id": "a b"}, "entry_2", "providers[1].id"),
    "an id twice": ({**SHEETS, "id": "sis"}, "sis", "The id sis is used twice"),
    "the id of a target": (
        {**SHEETS, "id": "hr_records"},
        *("hr_records", "mappings/targets/hr_records.yaml: The id hr_records is used"),
    ),
    "another district": (
        {**SHEETS, "district": "d9"},
        *("sheets", "belongs to another district"),
    ),
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_broken_provider_is_told_and_all_else_loads(
    fresh: ProjectFolder, name: str
) -> None:
    entry, broken, said = PROVIDERS[name]
    fresh.set_providers(SIS, entry)  # type: ignore[arg-type]

    found = feeds(fresh)

    [one] = found.broken
    assert (one.kind, one.name) == ("provider", broken)
    assert said in one.line
    assert FILE in one.line
    assert [provider.id for provider in found.providers] == ["sis"]
    assert [target.name for target in found.targets] == list(OF_STAFF)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("providers:\n  - id: sis\n  type: X\n  - id: sheets\n", ["sis", "sheets"]),
        ("providers: [\n", ["providers"]),
        ("provider: []\n", ["providers"]),
        ("- id: sis\n", ["sis"]),
        ("\0", ["providers"]),
    ],
)
def test_a_file_of_providers_that_is_no_yaml_stops_all_of_them_and_says_so(
    fresh: ProjectFolder, text: str, names: list[str]
) -> None:
    (fresh.root / FILE).write_text(text)

    found = feeds(fresh)

    assert [one.name for one in found.broken] == names
    assert all(FILE in one.line for one in found.broken)
    assert found.providers == []
    assert [target.name for target in found.targets] == list(OF_STAFF)


def test_a_command_about_what_is_misconfigured_says_what_is_wrong(
    fresh: ProjectFolder,
) -> None:
    add(fresh, {**FILES, NEW: TYPO})

    with fresh.entered(), pytest.raises(ConfigurationError, match="key gaurd"):
        named_feed(fresh.project, "badges")
    assert "key gaurd" in fresh.d118("run", "badges").err


# Dagster itself reads a model's fields by their old name.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
def test_dagster_loads_a_job_that_says_what_is_wrong_and_everything_else(
    fresh: ProjectFolder,
) -> None:
    """All kinds of faults at once, with names that Dagster does not take."""
    for files, _, _ in TARGETS.values():
        add(fresh, {name: text for name, text in files.items() if name != NEW})
    reads_provider = SQL.replace("raw.powerschool.hr_records_staff", "raw.sheets.users")
    target = {NEW: TYPO + SCHEDULE, "mappings/targets/reader.yaml": YAML}
    add(fresh, {**target, SQL_FILE: reads_provider})
    broken = [{**SHEETS, "colour": 1, "schedule": "daily"}, "x", {**SIS, "id": None}]
    fresh.set_providers(SIS, *broken)  # type: ignore[arg-type]

    with fresh.entered():
        defs = build_definitions(fresh.project)
        dg.Definitions.validate_loadable(defs)
        repository = defs.get_repository_def()
        result = defs.resolve_job_def("badges").execute_in_process(raise_on_error=False)

    jobs = set(repository.job_names)
    assert jobs >= {*OF_STAFF, "reader", "approve", "sync_sis", "badges", "sync_sheets"}
    keys = {k.to_user_string() for k in repository.asset_graph.get_all_asset_keys()}
    assert {"deliveries/hr_records", "roster/sis/apply", "deliveries/reader"} <= keys
    assert not [key for key in keys if key.split("/")[1] == "badges"]
    assert repository.has_schedule_def("badges_schedule")
    assert repository.has_schedule_def("sync_sheets_schedule")
    [failure] = [e for e in result.all_node_events if e.is_step_failure]
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    assert f"{NEW}:{TYPO_LINE}, key gaurd: unknown key" in (data.description or "")


@pytest.mark.long
def test_real_processes_go_on_beside_what_is_misconfigured(
    fresh: ProjectFolder,
) -> None:
    add(fresh, {**FILES, NEW: TYPO})
    (fresh.root / FILE).write_text("providers: [\n")

    valid = fresh.run_dagster(
        "definitions", "validate", "-m", "d118_pipelines.definitions"
    )
    status = fresh.run_d118("status", "--json")
    doctor = fresh.run_d118("doctor", "--json")

    assert valid.code == 0, valid.err
    assert status.code == 0, status.err
    states = {one["target"]: one["state"] for one in status.json()}
    assert states == {"badges": "misconfigured", **dict.fromkeys(OF_STAFF, "never")}
    assert doctor.code == 2
    checks = {c["check"]: f"{c['result']}: {c['found']}" for c in doctor.json()}
    assert "key gaurd" in checks["configuration: target badges"]
    assert FILE in checks["configuration: provider providers"]
    assert checks["configuration: targets"] == f"ok: {', '.join(OF_STAFF)}"
    assert checks["connection powerschool"].startswith("ok: ")


def test_the_alert_says_misconfigured_once(
    fresh: ProjectFolder, httpserver: HTTPServer
) -> None:
    """By the sensor that looks at the files, and by the job that fails for them."""
    httpserver.expect_request("/hook", method="POST").respond_with_data("ok")
    add(fresh, {**FILES, NEW: TYPO})
    fresh.set_providers(SIS, {**SHEETS, "colour": 1})

    with fresh.entered(ALERT_WEBHOOK_URL=httpserver.url_for("/hook")):
        for _ in range(2):
            context = dg.build_sensor_context(resources={"project": fresh.project})
            skipped = configuration_sensor(context)
        assert isinstance(skipped, dg.SkipReason)
        assert "told already" in (skipped.skip_message or "")
        defs = build_definitions(fresh.project)
        with dg.DagsterInstance.ephemeral() as instance:
            job = defs.resolve_job_def("badges")
            result = job.execute_in_process(instance=instance, raise_on_error=False)
            look(fresh, instance, result.dagster_run, None)

    [(request, _)] = httpserver.log
    alert = json.loads(request.data)
    assert alert["kind"] == "misconfigured"
    assert alert["targets"] == ["badges", "sheets"]
    assert alert["title"].startswith(
        "MISCONFIGURED: badges, sheets; nothing of it runs"
    )
    assert f"{NEW}:{TYPO_LINE}, key gaurd: unknown key" in alert["text"]
    assert markdown("providers[1].colour: unknown key") in alert["text"]


@pytest.mark.long
def test_status_shows_the_state_deadline_and_place(fresh: ProjectFolder) -> None:
    add(fresh, {**FILES, NEW: TYPO + SCHEDULE})
    fresh.set_providers({**SHEETS, "enabled": False, "colour": 1})

    answer = fresh.d118("status", COLUMNS="200")

    assert answer.code == 0
    assert f"{NEW}:{TYPO_LINE}, key gaurd: unknown key" in answer.out
    assert "providers[0].colour: unknown key" in answer.out
    [badges] = fresh.d118("status", "--target", "badges", "--json").json()
    assert badges["state"] == "misconfigured"
    assert dt.datetime.fromisoformat(badges["last_deadline"]) < utc_now()
    provider = fresh.d118("status", "--provider", "sheets", "--json").json()
    assert provider["last_status"] == "misconfigured"
    listed = fresh.d118("providers", "list", "--json").json()
    assert [one["last_status"] for one in listed] == ["misconfigured"]
    narrow = fresh.d118("providers", "list", COLUMNS="80").out
    assert max(map(len, narrow.splitlines())) <= 80
    assert f"{listed[0]['provider']} " in narrow and " misconfigured " in narrow
    targets = fresh.d118("targets", "list", "--json").json()
    assert [one["last_status"] for one in targets][:1] == ["misconfigured"]


@pytest.mark.parametrize("text", ["gaurd: 1\n", "x: [\n"], ids=["a typo", "no YAML"])
def test_a_misconfigured_target_keeps_its_rows_in_the_register(
    project: ProjectFolder, text: str
) -> None:
    before = rows(project)
    path = project.root / "mappings/targets/hr_records.yaml"
    path.write_text(path.read_text() + text)

    after = rows(project)

    assert [one.name for one in feeds(project).broken] == ["hr_records"]
    assert [key for key, _ in after] == [key for key, _ in before]
    if text == "gaurd: 1\n":
        assert after == before


def rows(project: ProjectFolder) -> list[tuple[tuple[str, str], object]]:
    with project.entered():
        found = register(project.project, load_feeds(project.project))
    return [((one.target, one.entity), one) for one in found]


def test_rows_of_a_provider_that_cannot_be_read_stay_enabled(
    fresh: ProjectFolder,
) -> None:
    """Otherwise a roster that waits for it would look fresh."""
    from d118_pipelines.roster.model.tables import sis_providers
    from d118_pipelines.state.open import state_database
    from d118_pipelines.workflows.providers.sync_runs import mirror

    fresh.set_providers(SIS, SHEETS)
    mirror(fresh.project, state_database(fresh.project))
    fresh.set_providers(SIS, {**SHEETS, "colour": 1})
    mirror(fresh.project, state_database(fresh.project))

    assert {row.id: row.enabled for row in fresh.rows(sis_providers)} == {
        "sis": True,
        "sheets": True,
    }


@pytest.mark.parametrize("name", ["district.yaml", "providers.yaml"])
def test_only_the_district_stops_all(fresh: ProjectFolder, name: str) -> None:
    (fresh.root / "config" / name).write_text("x: [\n")

    answer = fresh.d118("status")

    assert answer.code == (2 if name == "district.yaml" else 0)
    assert f"config/{name}" in answer.err + answer.out


@pytest.mark.parametrize(
    "text",
    [
        *("0 2 * * *", "*/5 * * * *", "0 2 * * MON-FRI", "0 2 * JUL WED", "0 2 29 2 *"),
        *("0 2 L * *", "0 2 LW * *", "0 2 * * 5L", "0 0 2 * * *", "0 2 30 2 1"),
        *("0 2 31 2 *", "@daily", "0 26 * * *", "", "x"),
    ],
)
def test_a_cron_text_that_is_taken_is_one_that_dagster_takes(text: str) -> None:
    """Dagster would load nothing at all."""
    if is_cron(text):
        dg.ScheduleDefinition(name="x", job_name="y", cron_schedule=text)
    assert is_cron("0 2 * JUL WED")
    assert not is_cron("0 2 30 2 1")


def test_what_is_wrong_fits_on_one_line() -> None:
    error = ConfigurationError("two wrong:\n  a:1: x\n  b:2: y", rule="r")

    assert Misconfigured("target", "a", error).line == "a:1: x; b:2: y"
