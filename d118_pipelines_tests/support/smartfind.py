"""Reading what a SmartFind sync delivered and found, in the words of its page."""

from __future__ import annotations

from d118_pipelines_tests.support.sync import Sync

P1, W2, E1 = "P1ProfileBasic.csv", "W2SSO.csv", "E1PlusEmployeeWorkSchedule.csv"


def profile(
    number: int | str,
    command: str = "C",
    *,
    email: str = "",
    active: str = "Y",
    calendar: str = "100",
    name: str = "Ana|Ruiz",
) -> str:
    """The P1 line of an employee of the default person's values."""
    email = email or f"p{number}@d118.example"
    return (
        f"P|{command}|1|{number}|847-555-0100|{name}|||||||||||{email}"
        f"|Y|{active}|{calendar}|||||||||||||||||Y|"
    )


def substitute(
    number: int | str,
    command: str,
    *,
    active: str,
    available: str,
    name: str = "Ana|Ruiz",
) -> str:
    """The P1 line of a substitute."""
    return (
        f"P|{command}|1|{number}|847-555-0100|{name}|||||||||||"
        f"p{number}@d118.example|N|N||||Y|{active}|{available}||||||||||||Y|"
    )


def commands(sync: Sync, *, of: str | None = None) -> dict[str, str]:
    """Command by record, such as `{"P 4001": "C", "E 4001/1": "A"}`; `of` an access id."""
    found = {}
    for name in (P1, W2, E1):
        for line in sync.lines(name):
            fields = line.split("|")
            access = fields[4] if name == W2 else fields[3]
            order = f"/{fields[4]}" if name == E1 else ""
            if of in (None, access):
                found[f"{fields[0]} {access}{order}"] = fields[1]
    return found


def keys(sync: Sync, code: str) -> set[str]:
    """The keys that carry the code in the newest plan."""
    return {key for found, key in sync.codes() if found == code}


def details(sync: Sync, code: str) -> dict[str, str]:
    """Key and detail of the code's findings in the newest plan."""
    return {f.key: f.detail for f in sync.findings() if f.code == code}
