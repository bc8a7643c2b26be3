"""The disclosure register: which data elements went to whom, about how many people, why.

Called by `workflows/people/disclosures.py`, which reads the deliveries.
Rule: docs/reference/disclosures.md.
"""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from d118_pipelines.config.quarantine import Misconfigured
from d118_pipelines.kernel.text import markdown
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.model import Disclosure as Reason
from d118_pipelines.targets.model import TargetFile

OUTBOX = "outbox"
PUPILS = ("student", "students")


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery that counts, as the state database keeps it.

    files: the files, or their archive with its members. facts: file -> filled, people.
    status: `verified`, or `sent, not read back`.
    """

    destination: str
    finished_at: dt.datetime
    files: Sequence[Mapping[str, Any]]
    facts: Mapping[str, Mapping[str, Any]]
    status: str = "verified"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One entity (a file) of one target: what its recipient has.

    elements: column -> plain name, of the columns that held a value in the last
    delivery. people: kind -> persons in it. why: who gets it and what for. is_trial: it
    went to the outbox only. status: how the last delivery ended.
    """

    target: str
    entity: str
    why: Reason
    elements: dict[str, str]
    people: dict[str, int]
    first_delivery: dt.datetime
    last_delivery: dt.datetime
    deliveries: int
    is_trial: bool
    status: str

    @property
    def recipient(self) -> str:
        """Who has it."""
        return self.why.recipient

    @property
    def holds_pupils(self) -> bool:
        """Whether pupils are among the people."""
        return any(kind in PUPILS for kind in self.people)

    @property
    def must_be_posted(self) -> bool:
        """Whether the public has to be told: pupils' data was really sent."""
        return self.holds_pupils and not self.is_trial

    @property
    def lacks_agreement(self) -> bool:
        """Whether pupils' data goes out without the reference of an agreement."""
        return self.holds_pupils and not self.why.agreement


def disclosures_of(
    target: Target | Misconfigured, sent: Iterable[Sent]
) -> list[Disclosure]:
    """The register's rows of one target; none before its first delivery.

    sent: its deliveries that count, oldest first. What went to the outbox counts only
    while nothing went anywhere else. Of a target that is misconfigured the rows stay,
    with what can still be read of its YAML.
    """
    every = list(sent)
    real = [one for one in every if one.destination != OUTBOX]
    counted = real or every
    if isinstance(target, Target):
        model, files = target.model, [_File.of(file) for file in target.record_files]
        title, purpose, why = model.title, model.description, model.disclosure
    else:
        title, purpose = target.text("title") or target.name, target.text("description")
        why, files = _stated(target), _files_sent(target, counted)
    why = why or Reason(recipient=title, purpose=purpose, encryption="")
    return [
        _row(target.name, why, file, mine, is_trial=not real)
        for file in files
        for mine in [[one for one in counted if file.table in _tables(one)]]
        if mine
    ]


@dataclass(frozen=True, slots=True)
class _File:
    """table: its name in the target. elements: plain names of columns."""

    table: str
    name: str
    elements: Mapping[str, Any]

    @classmethod
    def of(cls, file: TargetFile) -> _File:
        return cls(file.name, file.file, file.elements)


def _stated(broken: Misconfigured) -> Reason | None:
    """What a target that is misconfigured says of its recipient, where this is sound."""
    try:
        return Reason.model_validate(broken.given.get("disclosure"))
    except ValidationError:
        return None


def _files_sent(broken: Misconfigured, sent: Iterable[Sent]) -> list[_File]:
    """The files of records that were sent, with the names that its YAML still gives."""
    given = broken.given.get("files")
    entries = (
        [e for e in given if isinstance(e, dict)] if isinstance(given, list) else []
    )
    plain = {e.get("name"): e.get("elements") for e in entries if e.get("elements")}
    found = {}
    for one in sent:
        for table, name in _tables(one).items():
            if table in one.facts:
                words = plain.get(table)
                words = words if isinstance(words, dict) else {}
                found[table] = _File(table, name, words)
    return list(found.values())


def _row(
    target: str, why: Reason, file: _File, sent: Sequence[Sent], *, is_trial: bool
) -> Disclosure:
    last = sent[-1]
    facts = last.facts.get(file.table, {})
    return Disclosure(
        target=target,
        entity=file.name,
        why=why,
        elements={
            header: name
            for header, number in facts.get("filled", {}).items()
            if number and (name := element_name(file.elements, header))
        },
        people=dict(facts.get("people", {})),
        first_delivery=sent[0].finished_at,
        last_delivery=last.finished_at,
        deliveries=len(sent),
        is_trial=is_trial,
        status=last.status,
    )


def _tables(sent: Sent) -> dict[str, str]:
    """The files of a delivery: name in the target -> name of the file."""
    entries = [m for file in sent.files for m in file.get("members", [file])]
    return {e["table"]: e["name"] for e in entries if e.get("table")}


def element_name(elements: Mapping[str, Any], header: str) -> str:
    """The plain name of a column; empty where it tells nothing about anybody."""
    return str(elements.get(header, in_words(header)))


def in_words(header: str) -> str:
    """A column's name as words: `familyName` and `FAMILY_NAME` become `family name`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", header)
    return re.sub(r"[\s_./]+", " ", spaced).strip().lower()


def as_rows(register: Iterable[Disclosure]) -> list[dict[str, Any]]:
    """One row of texts and numbers per disclosure, for tables and CSV."""
    return [
        {
            "recipient": one.recipient + (" (trial: outbox)" if one.is_trial else ""),
            "contact": one.why.contact,
            "purpose": one.why.purpose,
            "agreement": one.why.agreement or "none stated",
            "agreement ends": str(one.why.agreement_ends or ""),
            "target": one.target,
            "file": one.entity,
            "data elements": ", ".join(dict.fromkeys(one.elements.values())),
            "columns": ", ".join(one.elements),
            "kinds of people": ", ".join(
                f"{number:,} {kind or 'people'}" for kind, number in one.people.items()
            ),
            "people": sum(one.people.values()),
            "first delivery": one.first_delivery.date().isoformat(),
            "last delivery": one.last_delivery.date().isoformat(),
            "status": one.status,
            "deliveries": one.deliveries,
            "encryption": one.why.encryption,
            "retention": one.why.retention or "not stated",
        }
        for one in register
    ]


def as_markdown(register: Sequence[Disclosure], *, district: str, day: dt.date) -> str:
    """The register as a page to post: one section per recipient."""
    lines = [f"# What {district} discloses", "", f"As of {day.isoformat()}.", ""]
    for target in dict.fromkeys(one.target for one in register):
        mine = [one for one in register if one.target == target]
        lines += [*_section(mine), ""]
    return "\n".join(lines)


def _section(mine: Sequence[Disclosure]) -> list[str]:
    first, newest = mine[0], max(mine, key=lambda one: one.last_delivery)
    unread = "" if newest.status == "verified" else f" ({newest.status})"
    ends = f", until {first.why.agreement_ends}" if first.why.agreement_ends else ""
    facts = {
        "Why": first.why.purpose,
        "Contact": first.why.contact,
        "Agreement": (first.why.agreement or "none stated") + ends,
        "How": first.why.encryption,
        "Kept there": first.why.retention or "not stated",
        "First delivery": first.first_delivery.date().isoformat(),
        "Last delivery": f"{newest.last_delivery.date()}{unread}",
    }
    trial = " (trial: outbox, nobody received it)" if first.is_trial else ""
    lines = [f"## {first.recipient}{trial}", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items() if value]
    lines += ["", "| what | about whom | data elements |", "|---|---|---|"]
    for row in as_rows(mine):
        cells = (row["file"], row["kinds of people"] or "nobody", row["data elements"])
        lines.append("| " + " | ".join(map(markdown, cells)) + " |")
    return lines


def as_html(register: Sequence[Disclosure], *, district: str, day: dt.date) -> str:
    """The register as one HTML table, for a web page."""
    import pandas as pd  # heavy, and never in a pull or a delivery

    # Texts are not cut, however long the list of elements is.
    with pd.option_context("display.max_colwidth", None):
        table = pd.DataFrame(as_rows(register)).to_html(index=False, escape=True)
    title = html.escape(f"What {district} discloses")
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        f"<title>{title}</title>\n<h1>{title}</h1>\n<p>As of {day.isoformat()}.</p>\n"
        f"{table}\n</html>\n"
    )
