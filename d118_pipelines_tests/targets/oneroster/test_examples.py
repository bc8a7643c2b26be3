"""The worked examples: what a small roster looks like as a set, byte for byte."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from d118_pipelines_tests.support.bundles import BASE_1_1, BASE_1_2, manifest
from d118_pipelines_tests.targets.oneroster.rosters import (
    Exports,
    broken,
    example,
    exported,
    members,
    record,
)

SOURCE = ["source.systemName,D118 Pipelines", "source.systemCode,d118-pipelines"]
ROLES = """\
sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,\
orgSourcedId,userProfileSourcedId
r-425f59bdf133ad792dffe1351ddf81dc,,,T-77,primary,teacher,,,S5,
r-93b9c740d56f1b1f9b953af9da872699,,,T-77,primary,teacher,,,D100,
r-c84950a939da1682606976abbfb075b8,,,S-9001,primary,student,,,S5,
"""


def corrected(text: str) -> str:
    """The text of the example with its own mail domain, as the export ends its lines."""
    return text.replace("s219001@", "219001@").replace("\n", "\r\n")


def listed(version: str, files: list[str]) -> str:
    lines = manifest(dict.fromkeys(files), version=version).splitlines()
    return corrected("\n".join([*lines[:-1], *SOURCE]) + "\n")


@pytest.mark.parametrize("version", ["1.1", "1.2.1"])
def test_the_example_comes_out_byte_for_byte(tmp_path: Path, version: str) -> None:
    export = exported(tmp_path, example(), version=version, demographics=True)
    wanted = {**(BASE_1_1 if version == "1.1" else BASE_1_2)}
    if version == "1.2.1":
        wanted["roles"] = ROLES

    got = members(export)
    manifest_csv = got.pop("manifest.csv")
    assert got == {f"{name}.csv": corrected(text) for name, text in wanted.items()}
    assert manifest_csv == listed(version[:3], list(wanted))
    assert broken(export) == {}
    assert export.findings == ()


@pytest.mark.long
def test_the_example_of_a_delta_set(tmp_path: Path) -> None:
    exports = Exports(tmp_path)
    first = exports.make(example(), version="1.1", demographics=True)
    assert first is not None
    later = example()
    later["enrollments"] = [record(later, "enrollments", "E-2")]
    record(later, "users", "T-77").update(
        last_name="Doe-Smith", updated_at=dt.datetime(2026, 10, 2, 8, 30, 12)
    )

    second = exports.make(
        later,
        after=first,
        now=dt.datetime(2026, 10, 2, 14, 5, tzinfo=dt.UTC),
        delivered_at=dt.datetime(2026, 10, 1, tzinfo=dt.UTC),
        version="1.1",
        mode="delta",
        demographics=True,
    )

    assert second is not None
    got = members(second)
    assert list(got) == ["manifest.csv", "enrollments.csv", "users.csv"]
    # The state of the roster has no earlier last day: the row goes with its last values.
    assert got["enrollments.csv"].split("\r\n")[1] == (
        "E-1,tobedeleted,2026-10-02T14:05:00.000Z,51234,S5,S-9001,student,,"
        "2026-08-17,2027-01-16"
    )
    assert got["users.csv"].split("\r\n")[1] == (
        'T-77,active,2026-10-02T08:30:12.000Z,true,"S5,D100",teacher,adoe,{staffId:77},'
        "Alex,Doe-Smith,,77,adoe@mail.example,,,,,"
    )
    assert "file.enrollments,delta\r\n" in got["manifest.csv"]
    assert "file.orgs,absent\r\n" in got["manifest.csv"]
    assert broken(second) == {}
