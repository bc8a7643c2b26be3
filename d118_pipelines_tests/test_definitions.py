"""What Dagster loads: assets, checks, jobs, schedules, sensors, as a plain snapshot."""

from __future__ import annotations

import ast
import datetime as dt
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from d118_pipelines.assets.freshness import provider_freshness
from d118_pipelines.config.crons import crons_of
from d118_pipelines.config.project import Project
from d118_pipelines.definitions import build_definitions
from d118_pipelines_tests.support.project import REPOSITORY, ProjectFolder

PACKAGE = REPOSITORY / "d118_pipelines"

# What one sync of the demonstration district's roster reads and stages.
WITHOUT_EMAIL = "raw/powerschool/staff_without_email"
SIS = {
    f"raw/powerschool/{name}"
    for name in (
        "courses",
        "enrollments",
        "schools",
        "section_teachers",
        "sections",
        "staff",
        "students",
        "terms",
    )
}
STAGED_FROM = {
    "orgs": ["schools"],
    "terms": ["terms"],
    "courses": ["courses"],
    "classes": ["sections"],
    "users": ["students", "staff"],
    "enrollments": ["enrollments", "section_teachers"],
}
STAGED = {f"staged/powerschool/{name}" for name in STAGED_FROM}
# What Clever's files read, the last three for nothing else.
CLEVER = {
    f"raw/powerschool/{name}"
    for name in (
        "courses",
        "enrollments",
        "schools",
        "sections",
        "staff",
        "terms",
        "clever_students",
        "clever_section_teachers",
        "clever_taken_sections",
    )
}
CLEVER_FILES = {
    f"exports/clever_sftp/{name}"
    for name in (
        *("schools", "students", "teachers", "staff", "sections", "enrollments"),
    )
}
ONEROSTER_FILES = {
    f"exports/oneroster/{name}"
    for name in (
        *("manifest", "academic_sessions", "classes", "courses", "enrollments"),
        *("orgs", "roles", "users"),
    )
}
ROSTER = {"roster/powerschool/apply"}
SENT = {
    f"deliveries/{n}" for n in ("clever_sftp", "hr_records", "oneroster", "smartfind")
}
SCIM = "scim/district_118/users"
REGISTER = "reports/district/disclosures"
RETENTION = "reports/district/retention"
# key: group, what it is made from
ASSETS = {
    **dict.fromkeys(ONEROSTER_FILES, ("oneroster", ROSTER)),
    "deliveries/oneroster": ("oneroster", ONEROSTER_FILES),
    "exports/scim/users": ("scim", ROSTER),
    SCIM: ("scim", {"exports/scim/users"}),
    REGISTER: ("district", {*SENT, SCIM}),
    RETENTION: ("district", set()),
    **{name: ("powerschool_raw", set()) for name in CLEVER},
    **dict.fromkeys(CLEVER_FILES, ("clever_sftp", CLEVER)),
    "deliveries/clever_sftp": ("clever_sftp", CLEVER_FILES),
    **{name: ("powerschool_raw", set()) for name in SIS},
    **{
        f"staged/powerschool/{entity}": (
            "powerschool_staged",
            {f"raw/powerschool/{name}" for name in names},
        )
        for entity, names in STAGED_FROM.items()
    },
    "roster/powerschool/plan": ("powerschool", STAGED),
    "roster/powerschool/apply": ("powerschool", {"roster/powerschool/plan"}),
    **{
        f"raw/powerschool/{name}": ("powerschool_raw", set())
        for name in ("hr_records_staff", "smartfind_staff", "staff_without_email")
    },
    "exports/hr_records/staff_data": (
        "hr_records",
        {"raw/powerschool/hr_records_staff", WITHOUT_EMAIL},
    ),
    "exports/hr_records/job_types": (
        "hr_records",
        {"raw/powerschool/hr_records_staff", WITHOUT_EMAIL},
    ),
    "exports/smartfind/p1_profile_basic": (
        "smartfind",
        {"raw/powerschool/smartfind_staff", WITHOUT_EMAIL},
    ),
    "exports/smartfind/w2_sso": (
        "smartfind",
        {"raw/powerschool/smartfind_staff", WITHOUT_EMAIL},
    ),
    "exports/smartfind/e1_work_schedule": (
        "smartfind",
        {"raw/powerschool/smartfind_staff", WITHOUT_EMAIL},
    ),
    "deliveries/hr_records": (
        "hr_records",
        {"exports/hr_records/staff_data", "exports/hr_records/job_types"},
    ),
    "deliveries/smartfind": (
        "smartfind",
        {
            "exports/smartfind/p1_profile_basic",
            "exports/smartfind/w2_sso",
            "exports/smartfind/e1_work_schedule",
        },
    ),
}
PER_FILE = ["removed_within_limit", "changed_within_limit", "data_fresh"]
CHECKS = {
    "exports/oneroster/users": [
        *("rows_enough", "shape_right", "keys_unique", "identifiers_conform"),
        *("core_filled", "schools_known", "roles_known", "grades_known"),
        *("role_map_readable", "leave_out_optional", "read_back"),
        *PER_FILE,
    ],
    "exports/scim/users": [
        *("rows_enough", "shape_right", "keys_unique"),
        *("drop_within_limit",),
        *PER_FILE[:-1],
        *("user_names_within_limit", *PER_FILE[-1:]),
    ],
    REGISTER: ["agreements_stated", "posting_fresh"],
    "exports/clever_sftp/students": [
        "rows_enough",
        "shape_right",
        "keys_unique",
        "removed_within_limit",
        "changed_within_limit",
        "data_fresh",
    ],
    "exports/hr_records/staff_data": [
        "rows_enough",
        "shape_right",
        "keys_unique",
        "emails_unique",
        "files_agree",
        "drop_within_limit",
        "deactivations_within_limit",
        "data_fresh",
    ],
    "exports/smartfind/p1_profile_basic": [
        "rows_enough",
        "shape_right",
        "keys_unique",
        "access_ids_unique",
        "schedules_unique",
        "profiles_exist",
        "ledger_seeded",
        "drop_within_limit",
        "adds_within_limit",
        "deactivations_within_limit",
        "data_fresh",
    ],
    "roster/powerschool/plan": [
        "zero_rows",
        "deactivated_per_entity",
        "deactivated_per_school",
        "updated",
        "id_churn",
        "created",
        "schools_linked",
        "too_many_rejects",
        "blackout",
    ],
    "roster/powerschool/apply": ["records_taken_over"],
    SCIM: ["records_taken_over"],
}
WARNS = {REGISTER, "roster/powerschool/apply", SCIM}
"""Whose checks stop nothing."""
TARGETS = ("clever_sftp", "hr_records", "oneroster", "scim", "smartfind")
LIMITS = {"dagster/max_runtime": "3600", "d118/soft_limit": "3300"}
JOBS = {
    "approve": {},
    "cleanup_old_jobs": {"sis/district": "district_118"},
    **{n: {"sis/target": n, "sis/district": "district_118", **LIMITS} for n in TARGETS},
    "sync_powerschool": {
        "sis/provider": "powerschool",
        "sis/district": "district_118",
        **LIMITS,
    },
}
SCHEDULES = {
    "cleanup_old_jobs_schedule": ("cleanup_old_jobs", "40 0 * * *"),
    "clever_sftp_schedule": ("clever_sftp", "30 15 * * *"),
    "hr_records_schedule": ("hr_records", "15 4 * * *"),
    "oneroster_schedule": ("oneroster", "30 4 * * *"),
    "scim_schedule": ("scim", "30 5 * * *"),
    "smartfind_schedule": ("smartfind", "45 4 * * *"),
    "sync_powerschool_schedule": ("sync_powerschool", "0 2 * * *"),
}
HEAVY = (
    "duckdb",
    "pyarrow",
    "oracledb",
    "paramiko",
    "pandas",
    "sqlglot",
    "httpx",
    "cryptography",
)


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_definitions(Project(REPOSITORY, REPOSITORY / "var"))


@pytest.fixture(scope="module")
def specs(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {s.key.to_user_string(): s for s in defs.resolve_all_asset_specs()}


def test_the_definitions_hold_together(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)


@pytest.mark.long
@pytest.mark.real
def test_dagster_validates_a_project_from_its_folder(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project")

    answer = project.run_dagster("definitions", "validate")

    assert answer.code == 0, answer.err
    assert "All code locations passed validation" in answer.err + answer.out
    assert not project.home.exists(), "loading writes nothing"


def test_the_lineage_has_a_group_for_each_layer_of_a_provider(
    specs: dict[str, dg.AssetSpec],
) -> None:
    found = {
        name: (spec.group_name, {dep.asset_key.to_user_string() for dep in spec.deps})
        for name, spec in specs.items()
    }

    assert found == ASSETS


def test_every_asset_says_what_it_is_and_whose(specs: dict[str, dg.AssetSpec]) -> None:
    kinds = {
        "raw": {"oracle", "parquet"},
        "exports": {"duckdb", "csv"},
        "deliveries": {"sftp"},
        "staged": {"duckdb", "parquet"},
        "roster/powerschool/plan": {"duckdb"},
        "roster/powerschool/apply": {"sql"},
        "scim": {"scim"},
        "reports": {"markdown", "csv"},
        RETENTION: {"json"},
    }
    for name, spec in specs.items():
        assert spec.description, name
        assert list(spec.owners) == ["team:data"], name
        assert spec.kinds == kinds.get(name, kinds.get(name.split("/")[0])), name
        assert spec.code_version, name
        assert spec.partitions_def is None, name


def test_the_checks_and_which_of_them_block(defs: dg.Definitions) -> None:
    found: dict[str, list[str]] = {}
    for asset in defs.assets or []:
        assert isinstance(asset, dg.AssetsDefinition)
        for check in asset.check_specs:
            found.setdefault(check.asset_key.to_user_string(), []).append(check.name)
            name = check.asset_key.to_user_string()
            assert check.blocking is (name not in WARNS), check.name
            assert check.description, check.name

    assert found == CHECKS


def test_the_jobs_and_their_tags(defs: dg.Definitions) -> None:
    jobs = {job.name: job for job in defs.jobs or []}

    assert {name: dict(job.tags or {}) for name, job in jobs.items()} == JOBS
    for name in TARGETS:
        chosen = defs.resolve_job_def(name).asset_layer.executable_asset_keys
        own = {key for key, (group, _) in ASSETS.items() if group == name}
        raw = {d for key in own for d in ASSETS[key][1] if d.startswith("raw/")}
        assert {key.to_user_string() for key in chosen} == own | raw
    chosen = defs.resolve_job_def("sync_powerschool").asset_layer
    assert {key.to_user_string() for key in chosen.executable_asset_keys} == {
        *SIS,
        *STAGED,
        "roster/powerschool/plan",
        "roster/powerschool/apply",
    }


def test_the_schedules_run_by_themselves_in_the_district_s_zone(
    defs: dg.Definitions,
) -> None:
    found = {}
    for schedule in defs.schedules or []:
        assert isinstance(schedule, dg.ScheduleDefinition)
        found[schedule.name] = (schedule.job_name, schedule.cron_schedule)
        own = {"clever_sftp_schedule": "America/New_York"}
        zone = own.get(schedule.name, "America/Chicago")
        assert schedule.execution_timezone == zone
        assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING

    assert found == SCHEDULES


def test_the_sensors_run_by_themselves(defs: dg.Definitions) -> None:
    found = {sensor.name: sensor.default_status for sensor in defs.sensors or []}

    names = (
        *("run_alert_sensor", "configuration_sensor", "disclosures_sensor"),
        "lost_run_sensor",
        *("send_webhook_notification", "alert_sensor", "daemon_ping_sensor"),
    )
    assert found == dict.fromkeys(names, dg.DefaultSensorStatus.RUNNING)


@pytest.mark.parametrize(
    ("schedule", "warns", "fails"),
    [("daily", 26, 50), ("weekdays", 74, 146), ("weekly", 170, 338),
     (["daily", "0 14 * * *"], 14, 26)],
)  # fmt: skip
def test_a_provider_s_assets_may_be_as_old_as_its_schedule_lets_them(
    specs: dict[str, dg.AssetSpec], schedule: object, warns: int, fails: int
) -> None:
    [found] = Project(REPOSITORY, REPOSITORY / "var").providers()[:1]
    model = found.model.model_copy(update={"schedule": crons_of(schedule)})
    zone = ZoneInfo("America/Chicago")

    policy = provider_freshness(replace(found, model=model), zone)

    hours = (dt.timedelta(hours=n) for n in (fails, warns))
    assert policy == dg.FreshnessPolicy.time_window(*hours)
    by_hand = found.model.model_copy(update={"schedule": []})
    assert provider_freshness(replace(found, model=by_hand), zone) is None
    fresh = {name for name, spec in specs.items() if spec.freshness_policy}
    assert {*STAGED, *ROSTER, "roster/powerschool/plan"} <= fresh


def test_the_register_is_renewed_after_a_delivery(defs: dg.Definitions) -> None:
    def asked(cursor: Any = None) -> tuple[int, Any]:
        found = dg.evaluate_automation_conditions(
            defs=defs,
            instance=instance,
            asset_selection=dg.AssetSelection.assets(REGISTER),
            cursor=cursor,
        )
        return found.total_requested, found.cursor

    with dg.DagsterInstance.ephemeral() as instance:
        first, cursor = asked()
        instance.report_runless_asset_event(
            dg.AssetMaterialization(["deliveries", "hr_records"])
        )
        after, cursor = asked(cursor)
        again, _ = asked(cursor)

    assert (first, after, again) == (0, 1, 0)


def test_the_sensor_sees_runs_from_a_shell() -> None:
    tree = ast.parse((PACKAGE / "sensors.py").read_text(encoding="utf-8"))
    settings = {
        keyword.arg: ast.unparse(keyword.value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) == "dg.run_failure_sensor"
        for keyword in call.keywords
    }

    assert settings["monitor_all_code_locations"] == "True"


def test_freshness_is_demanded_of_what_comes_and_what_goes(
    specs: dict[str, dg.AssetSpec],
) -> None:
    day = dt.timedelta(hours=1)
    raw = dg.FreshnessPolicy.time_window(fail_window=48 * day, warn_window=26 * day)
    sent = dg.FreshnessPolicy.cron(
        deadline_cron="0 6 * * *",
        lower_bound_delta=dt.timedelta(hours=6),
        timezone="America/Chicago",
    )
    by_seven = dg.FreshnessPolicy.cron(
        deadline_cron="0 7 * * *",
        lower_bound_delta=dt.timedelta(hours=6),
        timezone="America/Chicago",
    )
    before_seven = dg.FreshnessPolicy.cron(
        deadline_cron="0 19 * * *",
        lower_bound_delta=dt.timedelta(hours=6),
        timezone="America/New_York",
    )
    wanted = {"raw": raw, "deliveries": sent, "deliveries/clever_sftp": before_seven}
    wanted |= {"deliveries/oneroster": by_seven, "scim": by_seven}
    roster = dg.FreshnessPolicy.time_window(fail_window=50 * day, warn_window=26 * day)
    wanted |= {"staged": roster, "roster": roster}
    for name, spec in specs.items():
        group = wanted.get(name.split("/")[0])
        assert spec.freshness_policy == wanted.get(name, group), name


def test_steps_run_in_one_process(defs: dg.Definitions) -> None:
    assert defs.executor is dg.in_process_executor


def test_a_third_target_needs_no_python(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project")
    yaml = (project.root / "mappings/targets/hr_records.yaml").read_text("utf-8")
    (project.root / "mappings/targets/third.yaml").write_text(yaml, "utf-8")

    defs = build_definitions(project.project)

    names = {s.key.to_user_string() for s in defs.resolve_all_asset_specs()}
    assert names - set(ASSETS) == {
        "exports/third/staff_data",
        "exports/third/job_types",
        "deliveries/third",
    }
    assert defs.resolve_job_def("third").tags["sis/target"] == "third"
    assert defs.resolve_schedule_def("third_schedule").cron_schedule == "15 4 * * *"


@pytest.mark.long
@pytest.mark.real
def test_loading_imports_no_heavy_library_and_writes_nothing(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project")
    code = (
        "import sys, d118_pipelines.definitions;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project.root,
        env={"PATH": "", "D118_HOME": "somewhere"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert not (project.root / "somewhere").exists(), "loading writes nothing"
