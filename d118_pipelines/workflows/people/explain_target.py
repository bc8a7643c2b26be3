"""What a target has of one person: extracts, rule, lines, findings, what was sent.

Called by `explain.py`, which finds the person; the same of a provider is in
`explain_provider.py`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.sources.pull import Pull
from d118_pipelines.state import database as db
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import StoredPlan
from d118_pipelines.targets.build import OUTCOME_FILE
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.records import findings_of
from d118_pipelines.targets.results import answers_about
from d118_pipelines.targets.show import changes_of
from d118_pipelines.targets.tables import read_rows
from d118_pipelines.workflows.people.people import (
    ROSTER,
    PeopleTable,
    Sighting,
    is_last_name,
)
from d118_pipelines.workflows.providers.powerschool_source import find_extract

_KEY_COLUMNS = ("_record", "_person", "_key")
Rows = list[dict[str, Any]]


class TargetFiles:
    """What one target has of people: its newest export, and what it delivered."""

    def __init__(self, project: Project, target: Target, plan: StoredPlan) -> None:
        self.project, self.target, self.plan = project, target, plan
        self.folder = project.home / plan.folder
        d = db.deliveries.c
        with state_database(project).reading() as connection:
            self._sent = connection.execute(
                sa.select(d.folder, d.finished_at, d.destination)
                .where(d.target == target.name, d.status.in_(db.COUNTS))
                .order_by(d.number)
            ).all()

    @cached_property
    def _pulls(self) -> dict[str, tuple[str, Pull]]:
        """The raw extracts that the target reads, by label: name and pull."""
        found = {}
        for parts in self.target.reads:
            layer, system, name = parts
            pull = find_extract(self.project, system, name, self.plan.run_id)
            if layer == "raw" and pull is not None:
                found["/".join(parts)] = (name, pull)
        return found

    def extracts(self) -> list[PeopleTable]:
        """The raw extracts that the target reads."""
        return [
            PeopleTable(label, [path])
            for label, (name, pull) in self._pulls.items()
            if (path := pull.rows_file(name)).is_file()
        ]

    @cached_property
    def kept(self) -> list[PeopleTable]:
        """The tables of people behind the newest export and every delivery.

        A row about two people tells nothing of who has which id.
        """
        if self._has_pairs:
            return []
        home = self.project.home
        folders = dict.fromkeys([self.folder, *(home / s.folder for s in self._sent)])
        columns = (c.header for f in self.target.record_files for c in f.columns)
        nameless, tables = not any(map(is_last_name, columns)), []
        for file in self.target.record_files:
            paths = [folder / f"{file.name}.parquet" for folder in folders]
            existing = [path for path in paths if path.is_file()]
            if file.person and existing:
                tables.append(PeopleTable(file.file, existing, nameless))
        return tables

    def keys(self, person: Iterable[Sighting]) -> set[str]:
        """The keys by which the target knows the person."""
        kept = {t.label for t in self.kept}
        known = self.target.model.population
        own = self._inputs()
        found = set()
        for row in person:
            if row.label in kept:
                found |= {row.values[c] for c in _KEY_COLUMNS if c in row.values}
            elif known and row.label in own:
                parts = set(known.key_parts) & row.values.keys()
                found |= {row.values[part] for part in parts}
        return found

    def _inputs(self) -> set[str]:
        read = {"/".join(parts) for parts in self.target.reads}
        return read | ({ROSTER} if self.target.roster_reads else set())

    def explained(
        self, wanted: str, person: Sequence[Sighting], *, show_values: bool
    ) -> dict[str, Any]:
        """All that the target knows of the person; the keys are those of the JSON form."""
        ids = {value for row in person for value in row.values.values()} or {wanted}
        keys = self.keys(person)
        # Without a key of its own: the ids that are nobody else's here.
        known = keys or ids - self._taken(ids)
        mine = known if self._has_pairs else keys
        lines = self._lines(mine, show_values=show_values)
        findings = self._findings(known)
        changes = changes_of(self.folder) if self.folder.is_dir() else []
        return {
            "target": self.target.name,
            "key": wanted,
            "outcome": self._outcome(wanted, person, known, lines, findings),
            "extracts": self._extract_rows(person),
            "lines": lines,
            "findings": findings,
            "change": [
                {"file": c.file, "change": c.action, "columns": ", ".join(c.fields)}
                for c in changes
                if known & self._people_in(c.key)
            ]
            if self.plan.baseline
            else [],
            "sent": self._ledger_rows(known, wanted) or self._delivered_rows(person),
            "answers": self._answers(known),
            "deliveries": len(self._sent),
        }

    @property
    def _has_pairs(self) -> bool:
        """Whether a record of the target is about two people, such as pupil and guardian."""
        known = self.target.model.population
        return known is not None and len(known.key_parts) > 1

    def _people_in(self, key: str) -> set[str]:
        """A key, and the people that it names."""
        parts = key.split("/")
        return {key, *(parts if self._has_pairs else parts[:1])}

    def _taken(self, ids: set[str]) -> set[str]:
        """Those that are somebody's key in the files."""
        return {
            row[column]
            for table in self.kept
            for path in table.paths[:1]
            for column in ("_record", "_person")
            for one in ids
            for row in read_rows(path, [column], where=(column, one))
        }

    def _extract_rows(self, person: Sequence[Sighting]) -> Rows:
        seen = {row.label for row in person}
        rows: Rows = [
            {
                "extract": label,
                "made": self.project.local(pull.made_at),
                "rows": pull.collections[name].rows,
                "source": pull.details.get("source", pull.kind),
                "has_the_person": label in seen,
            }
            for label, (name, pull) in self._pulls.items()
        ]
        if self.target.roster_reads:
            at = self.project.local(self.plan.data_at)
            about = {"extract": ROSTER, "made": at, "rows": None, "source": "syncs"}
            rows.append({**about, "has_the_person": ROSTER in seen})
        return rows

    def _outcome(
        self,
        wanted: str,
        person: Sequence[Sighting],
        keys: set[str],
        lines: Rows,
        findings: Rows,
    ) -> dict[str, str]:
        """What happened to the person, in one sentence, with the rule's code."""
        target, who = self.target, wanted
        if not self.folder.is_dir():
            text = "the files of the newest export are gone; what follows is the rest."
            return {"code": "export_gone", "text": f"{who}: {text}"}
        decided = self._decided(keys)
        if decided:
            return {"code": decided[0], "text": f"{who} is {decided[1]}"}
        if lines and target.model.population is None:
            files = ", ".join(dict.fromkeys(line["file"] for line in lines))
            return {"code": "exported", "text": f"{who} is in {files}."}
        if findings:
            codes = ", ".join(dict.fromkeys(f["code"] for f in findings))
            return {
                "code": findings[0]["code"],
                "text": f"{who} is in no file: {codes}.",
            }
        seen = sorted({row.label for row in person} & self._inputs())
        seen = ["the roster" if label == ROSTER else label for label in seen]
        if seen:
            text = f"{who} is in {', '.join(seen)}, but the SQL of {target.name} "
            return {
                "code": "not_selected",
                "text": f"{text}does not select the person.",
            }
        if not person:
            text = f"No extract, roster or file that is kept has the id {who}."
            return {"code": "not_in_extract", "text": text}
        text = f"{who} is not in what {target.name} reads"
        is_known = any(row.label == ROSTER for row in person)
        elsewhere = ", but in the roster" if is_known else ""
        return {"code": "not_in_extract", "text": f"{text}{elsewhere}."}

    def _decided(self, keys: set[str]) -> tuple[str, str] | None:
        """The rule that decided for a record of the population, and what it did."""
        path = self.folder / OUTCOME_FILE
        if self.target.model.population is None or not path.is_file():
            return None
        if self._has_pairs:
            rows = [r for r in read_rows(path) if keys & self._people_in(r["key"])]
        else:
            rows = [r for key in keys for r in read_rows(path, where=("key", key))]
        if not rows:
            return None
        # Of a person's pairs some may go and others not; the findings name these.
        row = next((row for row in rows if row["code"] is None), rows[0])
        code, action = row["code"], row["action"]
        if code is None:
            return "exported", "exported."
        meaning = self.target.model.codes.get(code)
        words = {"ignore": "not selected", "skip": "skipped", "hold": "held back"}
        todo = f" {meaning.todo}" if meaning else ""
        return code, f"{words[action]} by the rule {code}.{todo}"

    def _lines(self, keys: set[str], *, show_values: bool) -> Rows:
        header = 1 if self.target.model.format.header else 0
        rows: Rows = []
        for file in self.target.model.files:
            table = self.folder / f"{file.name}.parquet"
            if not table.is_file():
                continue
            column = "_person" if file.person else "_record"
            if self._has_pairs:
                mine = [
                    row
                    for row in read_rows(table)
                    if keys & {row["_person"], *self._people_in(row["_record"])}
                ]
            else:
                mine = [r for k in keys for r in read_rows(table, where=(column, k))]
            for row in mine:
                line = {
                    "file": file.file,
                    "line": row["_row"] + header,
                    "key": row["_key"],
                }
                if file.command:
                    line["command"] = row[file.command]
                if show_values:
                    line["text"] = row.get("_line", "not kept")
                rows.append(line)
        return rows

    def _findings(self, keys: set[str]) -> Rows:
        with state_database(self.project).reading() as connection:
            found = findings_of(connection, self.plan)
        return [
            {"code": f.code, "field": f.field, "detail": f.detail, "to do": f.todo}
            for f in found
            if keys & {f.key, *f.key.split("/")}
        ]

    def _ledger_rows(self, keys: set[str], wanted: str) -> Rows:
        c = db.delivery_ledger.c
        mine = [c.key.in_(keys), c.identity == wanted]
        mine += [c.key.startswith(f"{key}/", autoescape=True) for key in sorted(keys)]
        if self._has_pairs:
            mine += [c.key.endswith(f"/{key}", autoescape=True) for key in sorted(keys)]
        with state_database(self.project).reading() as connection:
            rows = connection.execute(
                sa.select(db.delivery_ledger)
                .where(c.target == self.target.name, sa.or_(*mine))
                .order_by(c.destination, c.record_type, c.key, c.identity)
            ).all()
        return [
            self._sent_row(
                f"{row.record_type} {row.key}",
                row.identity,
                row.state,
                (row.first_delivered_at, row.last_delivered_at),
                row.destination,
            )
            for row in rows
        ]

    def _answers(self, keys: set[str]) -> Rows:
        with state_database(self.project).reading() as connection:
            rows = answers_about(connection, self.target.name, keys)
        return [
            {
                "record": f"{row.record_type} {row.key}",
                "outcome": row.outcome,
                "reason": row.reason,
                "answered": self.project.local(row.answered_at),
                "to": row.destination,
            }
            for row in rows
        ]

    def _delivered_rows(self, person: Sequence[Sighting]) -> Rows:
        """The same from the files of deliveries, where no ledger names people."""
        home = self.project.home
        times: dict[tuple[str, str, str, str], list[dt.datetime]] = {}
        for folder, finished, destination in self._sent:
            for row in person:
                if row.path is not None and row.path.parent == home / folder:
                    values = row.values
                    what = (row.label, values["_key"], values["_identity"], destination)
                    times.setdefault(what, []).append(finished)
        last = self._sent[-1].finished_at if self._sent else None
        return [
            self._sent_row(
                f"{label} {key}",
                identity,
                "sent" if at[-1] == last else "no longer sent",
                (at[0], at[-1]),
                destination,
            )
            for (label, key, identity, destination), at in times.items()
        ]

    def _sent_row(
        self,
        record: str,
        identity: str,
        state: str,
        times: tuple[dt.datetime, dt.datetime],
        destination: str,
    ) -> dict[str, Any]:
        return {
            "record": record,
            "sent as": identity,
            "state": state,
            "first sent": self.project.local(times[0]),
            "last sent": self.project.local(times[1]),
            "to": destination,
        }
