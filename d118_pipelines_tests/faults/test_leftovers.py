"""What a killed export leaves goes at the next start; a lost baseline says how to go on."""

from __future__ import annotations

import shutil

from d118_pipelines.state import database as db
from d118_pipelines_tests.support.project import ProjectFolder


def test_inputs_and_spill_of_a_killed_export_go_at_the_next_start(
    project: ProjectFolder,
) -> None:
    killed = project.home / "exports/hr_records/20200101T000000000000Z-dead"
    for name in (".inputs", ".spill"):
        (killed / name).mkdir(parents=True)
        (killed / name / "people.parquet").touch()

    made = project.export("hr_records")

    assert list(killed.iterdir()) == []
    assert not list(made.export.folder.glob(".[is]*"))


def test_without_the_folder_of_the_baseline_the_message_says_how_to_go_on(
    project: ProjectFolder,
) -> None:
    for row in project.rows(db.deliveries):
        shutil.rmtree(project.home / row.folder, ignore_errors=True)

    plan = project.export("hr_records").plan

    assert plan.verdict == "held"
    [text] = {rule.message for rule in plan.rules if not rule.passed}
    assert "exports/hr_records/, no longer exist" in text
    assert "Bring the folder back from a backup, or check" in text
