"""Every set passes a strict reader of its own and this project's importer."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines_tests.targets.oneroster.district import AIDES, district
from d118_pipelines_tests.targets.oneroster.reader import Reading
from d118_pipelines_tests.targets.oneroster.rosters import (
    Exports,
    archive,
    broken,
    exported,
    found,
    members,
)

FORMS: dict[str, dict[str, Any]] = {
    "1.1": {"version": "1.1", "role_map": AIDES},
    "1.2": {"version": "1.2", "demographics": True},
    "1.2.1": {"version": "1.2.1", "demographics": True},
    "internal identifiers": {"sourced_id": "internal", "demographics": True},
    "one school": {"schools": ["S6"], "version": "1.1", "demographics": True},
    "students and empty files": {
        "roles": ["student"],
        "empty_files": "header_only",
        "leave_out": ["users.email", "users.userIds", "classes.subjects"],
    },
}


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_a_set_passes_a_strict_reader_and_the_importer(
    tmp_path: Path, form: str
) -> None:
    options = FORMS[form]
    export = exported(tmp_path, district(), **options)

    reading = Reading(archive(export), options.get("version", "1.2.1"))
    assert reading.complaints == []
    assert broken(export) == {}
    assert {code for code, _, _ in found(export)} <= {
        "control_characters",
        "write.corrected",
        "write.role_collapsed",
    }
    assert len(reading.rows["users"]) >= 3 and len(reading.rows["enrollments"]) >= 2


@pytest.mark.long
def test_equal_rosters_give_equal_bytes_whatever_the_order_of_rows(
    tmp_path: Path,
) -> None:
    exports = Exports(tmp_path)
    first = exports.make(district(), demographics=True, reads_back=False)
    shuffled = district()
    for rows in shuffled.values():
        random.Random(7).shuffle(rows)
        for row in rows:
            for name in ("roles", "term_external_ids", "agent_external_ids"):
                row[name] = list(reversed(row.get(name) or []))
    second = exports.make(shuffled, demographics=True, reads_back=False)

    assert first is not None and second is not None
    assert archive(first).read_bytes() == archive(second).read_bytes()


@pytest.mark.long
def test_awkward_texts_are_written_clean(tmp_path: Path) -> None:
    export = exported(tmp_path, district(), demographics=True, reads_back=False)

    got = members(export)
    assert 'S6,,,"École, ""Sainte-Anne""",school,6,D100\r\n' in got["orgs.csv"]
    assert "S5-MATH,,,Math\u00e9matiques,department,,S5\r\n" in got["orgs.csv"]
    assert ",N\u0169ez," in got["users.csv"]
    assert ',"{libcard:123},{studentNumber:219003}",' in got["users.csv"]
    assert ",Łódź,\r\n" in got["demographics.csv"]
    assert 'C-813,,,,"Art, advanced",,,S6,Art fine,ART\r\n' in got["courses.csv"]
    assert ',"1 2,3"\r\n' in got["classes.csv"]
