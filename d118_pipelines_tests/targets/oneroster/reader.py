"""A strict reader of OneRoster CSV sets that knows nothing of the project.

It reads `columns.yaml` beside it, the csv and the zipfile module, and lists all that a
strict receiver would refuse. Not here: what the project's importer says of a set.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Row = dict[str, str]
FIRST = ["sourcedId", "status", "dateLastModified"]
GUID = re.compile(r"[0-9A-Za-z._/@-]{1,255}")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")


@cache
def tables() -> dict[str, Any]:
    """The column tables."""
    path = Path(__file__).with_name("columns.yaml")
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def columns_of(file: str, version: str) -> list[tuple[str, bool, str]]:
    """(name, whether a value is needed, type) behind the first three columns."""
    text = tables()["tables"][file]
    if isinstance(text, dict):
        text = text[version]
    found = []
    for word in text.split():
        name, _, kind = word.partition(":")
        found.append((name.rstrip("!"), name.endswith("!"), kind))
    return found


def words_of(name: str, version: str) -> list[str]:
    """A vocabulary."""
    words = tables()["words"][name]
    text = words[version[:3]] if isinstance(words, dict) else words
    return str(text).split()


class Reading:
    """One archive; `complaints` is what is wrong with it, `rows` its records."""

    def __init__(self, archive: Path, version: str) -> None:
        self.version = version
        self.rows: dict[str, list[Row]] = {}
        self.modes: dict[str, str] = {}
        with zipfile.ZipFile(archive) as opened:
            self._names = opened.namelist()
            self._infos = opened.infolist()
            texts = {name: opened.read(name).decode("utf-8") for name in self._names}
        self.complaints = [*self._archive(), *self._manifest(texts)]
        for name, text in texts.items():
            if name != "manifest.csv":
                self.complaints += self._table(name.removesuffix(".csv"), text)
        self.is_bulk = set(self.modes.values()) <= {"bulk", "absent"}
        self.complaints += self._across()

    def ids(self, file: str) -> set[str]:
        """The identifiers of a file."""
        return {row["sourcedId"] for row in self.rows.get(file, [])}

    # One file at a time

    def _archive(self) -> Iterator[str]:
        order = ["manifest", *tables()["manifest"][self.version[:3]].split()]
        places = [order.index(name.removesuffix(".csv")) for name in self._names]
        if places != sorted(set(places)) or any("/" in name for name in self._names):
            yield "archive: members"
        for info in self._infos:
            if info.compress_type != zipfile.ZIP_DEFLATED:
                yield f"{info.filename}: compression"
            if info.date_time != (1980, 1, 1, 0, 0, 0):
                yield f"{info.filename}: a time of its own"

    def _manifest(self, texts: dict[str, str]) -> Iterator[str]:
        header, *rows = csv.reader(io.StringIO(texts["manifest.csv"]))
        files = tables()["manifest"][self.version[:3]].split()
        wanted = [
            "manifest.version",
            "oneroster.version",
            *(f"file.{f}" for f in files),
        ]
        if header != ["propertyName", "value"]:
            yield "manifest: header"
        if [row[0] for row in rows][: len(wanted)] != wanted:
            yield "manifest: properties"
        values = dict(rows)
        if values["manifest.version"] != "1.0":
            yield "manifest: its version"
        if values["oneroster.version"] != self.version[:3]:
            yield "manifest: version of OneRoster"
        self.modes = {file: values[f"file.{file}"] for file in files}
        for file, mode in self.modes.items():
            if mode not in ("bulk", "delta", "absent"):
                yield f"manifest: {file} is {mode}"
            if (mode == "absent") == (f"{file}.csv" in texts):
                yield f"manifest: {file} is {mode}, the archive says otherwise"

    def _table(self, file: str, text: str) -> Iterator[str]:
        if text != unicodedata.normalize("NFC", text):
            yield f"{file}: not in NFC"
        lines = text.split("\r\n")
        if lines[-1] or any(not line.isprintable() for line in lines):
            yield f"{file}: control characters, or no line end"
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        columns = columns_of(file, self.version)
        wanted = [*FIRST, *(name for name, _, _ in columns)]
        own = header[len(wanted) :]
        if header[: len(wanted)] != wanted or not all(
            name.startswith("metadata.") for name in own
        ):
            yield f"{file}: header"
        self.rows[file] = [dict(zip(header, row, strict=True)) for row in rows]
        ids = [row["sourcedId"] for row in self.rows[file]]
        if ids != sorted(ids) or len(set(ids)) != len(ids):
            yield f"{file}: order, or an identifier twice"
        for row in self.rows[file]:
            for complaint in self._row(file, row, columns):
                yield f"{file} {row['sourcedId']}: {complaint}"

    def _row(
        self, file: str, row: Row, columns: list[tuple[str, bool, str]]
    ) -> Iterator[str]:
        if not GUID.fullmatch(row["sourcedId"]):
            yield "identifier"
        if self.modes[file] == "bulk" and (row["status"] or row["dateLastModified"]):
            yield "status in bulk"
        if self.modes[file] == "delta":
            if row["status"] not in ("active", "tobedeleted"):
                yield "status"
            if not TIME.fullmatch(row["dateLastModified"]):
                yield "dateLastModified"
        for name, is_needed, kind in columns:
            value = row[name]
            if value != value.strip() or (len(value) > 255 and not kind):
                yield f"{name}: blanks around it, or too long"
            if is_needed and not value:
                yield f"{name}: missing"
            if value and (complaint := self._value(value, kind)):
                yield f"{name}: {complaint}"
        if row.get("password"):
            yield "password"
        if ids := row.get("userIds"):
            for element in ids.split(","):
                if not re.fullmatch(r"\{[^{}:]+:[^{}]+\}", element):
                    yield "userIds"

    def _value(self, value: str, kind: str) -> str:
        name, _, argument = kind.partition("=")
        match name:
            case "bool" if value not in ("true", "false"):
                return "no truth value"
            case "date":
                return "" if _is_date(value) else "no date"
            case "year" if not re.fullmatch(r"\d{4}", value):
                return "no year"
            case "list" | "refs":
                parts = value.split(",")
                if any(p != p.strip() or not p for p in parts):
                    return "blanks or nothing in a list"
            case "enum":
                is_own = value.startswith("ext:") and len(value) > 4
                may = self.version != "1.1" and argument in tables()["extensible"]
                if value not in words_of(argument, self.version) and not (
                    is_own and may
                ):
                    return "no word of the version"
        return ""

    # Records with each other

    def _across(self) -> Iterator[str]:
        yield from self._dates()
        if self.is_bulk:
            yield from self._references()
            yield from self._kinds()
            yield from self._roles()
            yield from self._enrollments()

    def _references(self) -> Iterator[str]:
        for file, rows in self.rows.items():
            for name, _, kind in columns_of(file, self.version):
                if not kind.startswith("ref"):
                    continue
                there = self.ids(kind.partition("=")[2])
                for row in rows:
                    gone = set(filter(None, row[name].split(","))) - there
                    if gone or row[name] == row["sourcedId"]:
                        yield f"{file} {row['sourcedId']}: {name} leads nowhere"
        users = self.ids("users")
        for row in self.rows.get("demographics", []):
            if row["sourcedId"] not in users:
                yield f"demographics {row['sourcedId']}: of nobody"

    def _kinds(self) -> Iterator[str]:
        kinds = {row["sourcedId"]: row["type"] for row in self.rows.get("orgs", [])}
        sessions = {
            row["sourcedId"]: row["type"]
            for row in self.rows.get("academicSessions", [])
        }
        for file in ("classes", "enrollments"):
            for row in self.rows.get(file, []):
                if kinds.get(row["schoolSourcedId"]) != "school":
                    yield f"{file} {row['sourcedId']}: at no school"
        for row in self.rows.get("courses", []):
            year = row["schoolYearSourcedId"]
            if year and sessions.get(year) != "schoolYear":
                yield f"courses {row['sourcedId']}: no school year"
        for file in ("courses", "classes"):
            for row in self.rows.get(file, []):
                subjects, codes = row["subjects"], row["subjectCodes"]
                if subjects.count(",") != codes.count(",") or bool(subjects) != bool(
                    codes
                ):
                    yield f"{file} {row['sourcedId']}: subjects without codes"

    def _roles(self) -> Iterator[str]:
        if self.version == "1.1":
            return
        rows = self.rows.get("roles", [])
        primary = Counter(
            (row["userSourcedId"], row["orgSourcedId"])
            for row in rows
            if row["roleType"] == "primary"
        )
        places = {(row["userSourcedId"], row["orgSourcedId"]) for row in rows}
        for user, org in places:
            if primary[user, org] != 1:
                yield f"roles: {user} has {primary[user, org]} primary roles at {org}"
        placed = {user for user, _ in places}
        for row in self.rows.get("users", []):
            home, user = row["primaryOrgSourcedId"], row["sourcedId"]
            if user not in placed:
                yield f"users {user}: no role"
            if home and (user, home) not in places:
                yield f"users {user}: no role at the primary org"

    def _enrollments(self) -> Iterator[str]:
        classes = {row["sourcedId"]: row for row in self.rows.get("classes", [])}
        sessions = {
            row["sourcedId"]: row for row in self.rows.get("academicSessions", [])
        }
        primaries: dict[str, list[Row]] = {}
        for row in self.rows.get("enrollments", []):
            taught = classes.get(row["classSourcedId"])
            if taught is None:
                continue
            if row["schoolSourcedId"] != taught["schoolSourcedId"]:
                yield f"enrollments {row['sourcedId']}: at another school"
            if row["primary"] and row["role"] != "teacher":
                yield f"enrollments {row['sourcedId']}: primary, but no teacher"
            if row["primary"] == "true":
                primaries.setdefault(row["classSourcedId"], []).append(row)
            terms = [sessions[t] for t in taught["termSourcedIds"].split(",")]
            if row["beginDate"] and row["beginDate"] < min(
                t["startDate"] for t in terms
            ):
                yield f"enrollments {row['sourcedId']}: before the class"
            if row["endDate"] > max(t["endDate"] for t in terms):
                yield f"enrollments {row['sourcedId']}: after the class"
        for name, rows in primaries.items():
            rows.sort(key=lambda row: row["beginDate"])
            for one, other in itertools.pairwise(rows):
                if not one["endDate"] or one["endDate"] > other["beginDate"]:
                    yield f"classes {name}: two primary teachers at a time"

    def _dates(self) -> Iterator[str]:
        for file, first in (
            ("academicSessions", "startDate"),
            ("enrollments", "beginDate"),
            ("roles", "beginDate"),
        ):
            for row in self.rows.get(file, []):
                begin, end = row[first], row["endDate"]
                if begin and end and end <= begin:
                    yield f"{file} {row['sourcedId']}: ends before it begins"


def _is_date(value: str) -> bool:
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        return False
    return bool(DATE.fullmatch(value))
