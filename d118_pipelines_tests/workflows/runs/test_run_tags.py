"""What a run is for and who started it, whatever its caller says."""

from __future__ import annotations

import pytest

from d118_pipelines.workflows.runs.run import account, actor_of, run_tags

ASSETS = "__ASSET_JOB"


def tags(job: str, *assets: str, is_shell: bool = True, **given: str) -> dict[str, str]:
    keys = [asset.split("/") for asset in assets]
    named = {name.replace("__", "/"): value for name, value in given.items()}
    return run_tags(job, keys, named, district="district_118", is_shell=is_shell)


@pytest.mark.parametrize(
    ("job", "assets", "subjects"),
    [
        ("hr_records", [], {"sis/target": "hr_records"}),
        ("sync_sis", [], {"sis/provider": "sis"}),
        (ASSETS, ["raw/sis/users"], {"sis/provider": "sis"}),
        (ASSETS, ["raw/sis/users", "exports/hr/staff"], {"sis/target": "hr"}),
        (ASSETS, ["deliveries/hr", "scim/d/users"], {"sis/target": "hr, scim"}),
        (
            ASSETS,
            ["staged/sis/orgs", "exports/oneroster/orgs"],
            {"sis/target": "oneroster", "sis/provider": "sis"},
        ),
        (ASSETS, ["reports/district/disclosures"], {}),
    ],
)
def test_a_run_says_what_it_is_for(
    job: str, assets: list[str], subjects: dict[str, str]
) -> None:
    assert tags(job, *assets) == {
        **subjects,
        "sis/district": "district_118",
        "sis/trigger": "manual",
        "sis/triggered_by": account(),
    }


def test_a_run_says_who_started_it() -> None:
    ui = tags("hr_records", is_shell=False)
    scheduled = tags("hr_records", dagster__schedule_name="hr_records_schedule")
    sensed = tags("sync_sis", dagster__sensor_name="sis_files_sensor")

    assert ui["sis/triggered_by"] == f"ui/{account()}"
    assert (scheduled["sis/trigger"], sensed["sis/trigger"]) == ("schedule", "sensor")
    assert actor_of(scheduled).triggered_by == "hr_records_schedule"
    assert (actor_of(sensed).is_manual, actor_of(ui).is_manual) == (False, True)


def test_of_a_launched_run_no_tag_says_who_started_it() -> None:
    given = {"dagster/schedule_name": "hr_records_schedule"}

    found = run_tags(
        *("hr_records", [], given),
        **{"district": "d", "is_shell": False, "launched_by": "console/ann"},
    )

    assert (found["sis/trigger"], found["sis/triggered_by"]) == (
        "manual",
        "console/ann",
    )


def test_a_tag_of_ours_that_a_caller_passes_in_is_overwritten() -> None:
    forged = {
        "sis__target": "oneroster",
        "sis__provider": "sis",
        "sis__triggered_by": "the superintendent",
        "sis__verdict": "approved",
        "team": "data",
    }

    found = tags("hr_records", **forged)

    assert found == tags("hr_records") | {"sis/provider": "", "sis/verdict": ""}
