"""Two providers that know the same people and schools: who is who, and who decides.

The SIS has the smaller number; the second source reports some of its people under ids
of its own. Each rule of matching by itself is tested beside the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.errors import HeldError
from d118_pipelines_tests.support.oneroster_data import district, person
from d118_pipelines_tests.support.oneroster_server import OneRosterServer, TokenGate
from d118_pipelines_tests.support.roster_sync import (
    PEOPLE_ONLY,
    Entry,
    SyncedDistrict,
    changed,
    counts,
    oneroster,
    without,
)

NUMBER = [{"type": "studentNumber", "identifier": "5005"}]


def sis_data() -> dict[str, list[Entry]]:
    """Six students and a teacher; the last student has a number and no e-mail."""
    data = district(6)
    data["orgs"] = changed(data["orgs"], "S5", identifier="5")
    no_email = {"email": None, "userIds": NUMBER}
    data["users"] = changed(data["users"], "U0000005", **no_email)
    return data


def other(number: int, like: int | None = None, **more: Any) -> Entry:
    """A person of the second source; `like` somebody of the SIS by e-mail and name."""
    row = person(number if like is None else like, role=more.pop("role", "student"))
    return {**row, "sourcedId": f"L{number}", "orgs": [{"sourcedId": "L5"}], **more}


def other_data() -> dict[str, list[Entry]]:
    """The same school under another id, with the number that the SIS knows it by."""
    data = district(0)
    orgs = changed(data["orgs"], "S5", sourcedId="L5", identifier="5", name="Oak HS")
    data["orgs"] = changed(orgs, "D1", sourcedId="LD", name="Example")
    for row in data["orgs"]:
        row.pop("parent", None)
    data["users"] = [other(1, 1, givenName="Nick", email=" U1@D118.example")]
    return data


@pytest.fixture(scope="module")
def sis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncedDistrict]:
    folder = tmp_path_factory.mktemp("sis")
    options = {"sync": PEOPLE_ONLY, "priority": 10}
    with SyncedDistrict(folder, sis_data(), **options) as synced:
        yield synced


@pytest.fixture(scope="module")
def second() -> Iterator[OneRosterServer]:
    with OneRosterServer({}, gate=TokenGate()) as server:
        yield server


class Both:
    """A project with both providers; `serve` changes what the second one has."""

    def __init__(self, sis: SyncedDistrict, second: OneRosterServer, at: Path) -> None:
        self.sis, self.second = sis, second
        self.project = sis.begin(at)
        self.known = self.project.ids("users")
        self.configure()
        self.serve()

    def configure(self, **entry: Any) -> None:
        first = self.sis.entry()
        both = {"sync": PEOPLE_ONLY, "priority": 200, **entry}
        self.project.set_providers(first, oneroster(self.second, "lms", **both))

    def serve(self, *people: Entry, **collections: list[Entry]) -> None:
        data = {**other_data(), **collections}
        self.second.data = {**data, "users": [*data["users"], *people]}

    def user(self, columns: str, of: str = "U0000001") -> tuple[Any, ...]:
        """Columns of one record, by the id that the SIS's record got at first."""
        [row] = self.project.sql(
            f"SELECT {columns} FROM users WHERE id = '{self.known[of]}'"
        )
        return row


@pytest.fixture
def both(sis: SyncedDistrict, second: OneRosterServer, tmp_path: Path) -> Both:
    return Both(sis, second, tmp_path)


@pytest.mark.long
def test_a14_c19_people_are_linked_in_the_order_of_the_rules_and_never_merged(
    both: Both,
) -> None:
    both.serve(
        other(2, 5, email=None, userIds=NUMBER),
        other(3, 103),
        other(4, 3),
        other(5, 3),
        other(6, 9_000_000),  # the teacher's e-mail, but a student
    )

    result = both.project.sync("lms")

    found = both.project.links("lms")
    assert found["L1"] == (both.known["U0000001"], "email")
    assert found["L2"] == (both.known["U0000005"], "student_number")
    assert found["L3"][1] == "created"
    assert found["L3"][0] not in both.known.values()
    assert set(found) == {"L1", "L2", "L3"}
    cases = {c["external_id"]: c["type"] for c in both.project.conflicts()}
    assert cases == {
        "L4": "DUPLICATE_EMAIL",
        "L5": "DUPLICATE_EMAIL",
        "L6": "ROLE_CONFLICT",
    }
    assert (result.status, result.new_conflicts) == ("PARTIAL", 3)
    assert counts(result) == {"created": 1, "conflicts": 3}
    assert len(both.project.ids("users")) == len(both.known) + 1
    schools = both.project.links("lms", "orgs")
    assert {rule for _, rule in schools.values()} == {"district", "sis_id"}
    assert len(both.project.ids("orgs")) == 2
    assert both.project.runs("lms")[-1][0] == "PARTIAL"


@pytest.mark.long
def test_provider_of_the_smaller_number_decides_while_it_reports_a_person(
    both: Both,
) -> None:
    project = both.project
    columns = "provider_id, first_name, status"
    project.sync("lms")
    linked = both.user(columns)
    both.sis.serve(users=without(both.sis.data["users"], "U0000001"))

    only_unlinked = project.sync("sis")
    left_to_other = both.user("status")
    project.sync("lms")
    taken_over = both.user(columns)
    both.serve(users=[other(9, 109)])
    project.sync("lms")

    assert linked == ("sis", "Given", "active")
    assert counts(only_unlinked) == {}
    assert left_to_other == ("active",)
    assert taken_over == ("lms", "Nick", "active")
    assert both.user("status, inactive_reason") == ("inactive", "missing")


@pytest.mark.long
def test_d12_person_who_returns_from_either_side_has_the_same_internal_id(
    both: Both,
) -> None:
    both.sis.serve(users=without(both.sis.data["users"], "U0000001"))
    both.project.sync("sis")
    assert both.user("status") == ("inactive",)

    both.project.sync("lms")

    assert both.user("status, provider_id, external_id") == ("active", "lms", "L1")
    assert len(both.project.ids("users")) == len(both.known)


@pytest.mark.long
@pytest.mark.parametrize(
    ("switches", "outcome"),
    [
        ({"email": False}, {"created": 1}),
        ({"email": False, "create": False}, {"conflicts": 1}),
    ],
)
def test_steps_of_matching_that_are_switched_off_are_not_taken(
    both: Both, switches: dict[str, bool], outcome: dict[str, int]
) -> None:
    both.configure(matching=switches)

    result = both.project.sync("lms")

    assert counts(result) == outcome
    assert both.user("first_name") == ("Given",)
    linked = [internal for internal, _ in both.project.links("lms").values()]
    assert both.known["U0000001"] not in linked


@pytest.mark.long
def test_school_in_doubt_is_held_and_the_next_sync_follows_the_decision(
    both: Both,
) -> None:
    """Same name, no number in common: nobody knows whether it is the same school."""
    doubtful = changed(other_data()["orgs"], "L5", name="Oak School", identifier="9")
    both.serve(orgs=doubtful)
    before = both.project.dump()
    both.project.plan("lms")

    with pytest.raises(HeldError, match=r"guard\.schools_linked"):
        both.project.apply("lms")

    assert both.project.dump() == before
    both.project.approve("lms")
    both.project.apply_alone("lms")
    [case] = both.project.conflicts()
    assert (case["entity"], case["external_id"]) == ("orgs", "L5")
    school = both.project.ids("orgs")["S5"]
    both.project.resolve(case["id"], "RESOLVED_MERGED", school)
    both.project.sync("lms")
    assert both.project.links("lms", "orgs")["L5"] == (school, "resolved")
    assert both.project.conflicts() == []


@pytest.mark.long
def test_person_in_doubt_is_linked_by_the_sync_after_the_decision(both: Both) -> None:
    both.serve(users=[other(1, 1, familyName="Married")])
    first = both.project.sync("lms")
    [case] = both.project.conflicts()
    assert (counts(first), case["type"]) == ({"conflicts": 1}, "NAME_MISMATCH")
    both.project.resolve(case["id"], "RESOLVED_MERGED", both.known["U0000001"])

    both.project.sync("lms")

    assert both.project.links("lms")["L1"] == (both.known["U0000001"], "resolved")
    assert both.project.conflicts() == []
    assert both.user("last_name") == ("Family1",)
