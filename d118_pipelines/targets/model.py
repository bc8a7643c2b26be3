"""The keys of `mappings/targets/<target>.yaml` and of the layouts that targets extend.

Read by `definition.py`; what the parts must agree on is in `definition_checks.py`, the
key `destination` in `destination_model.py`. Page: docs/reference/target_yaml.md.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from d118_pipelines.config.crons import Crons, cron_of
from d118_pipelines.config.guard_limits import Blackout
from d118_pipelines.config.hearing import Hearing
from d118_pipelines.config.run_limits import RunLimits
from d118_pipelines.config.secrets import variable_of
from d118_pipelines.config.yaml_files import Model, check_time_zone
from d118_pipelines.targets.destination_model import AnyDestination

OptionValue = bool | int | str | list[int] | list[str]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
# A finding's code may name its family first: write.left_out.
CodeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$")]
FileName = Annotated[str, Field(pattern=r"^[^/\\\x00-\x1f]+$")]
# Option -> the values with which a file or a column is there.
When = dict[Identifier, list[bool | int | str]]


class Code(Model):
    """What a finding's code means to the person who reads it; who can correct it."""

    level: Literal["error", "warning", "information"]
    field: str = ""
    todo: str
    who: str = ""


class Rule(Model):
    """One rule on a record of the population; `when` is a DuckDB expression.

    ignore: left out, nothing to report. skip: left out and reported. hold: left out,
    reported, and a person should act. report: exported and reported.
    The first of ignore, skip and hold that is true decides; keys that the option named
    by `allow` lists are never caught by the rule.
    """

    code: CodeName
    action: Literal["ignore", "skip", "hold", "report"]
    when: str
    allow: Identifier | None = None


class Population(Model):
    """The records that a target is about: one row each, before the rules.

    key: a column or an expression; for pairs `student_id || '/' || guardian_id`.
    """

    sql: str
    key: str

    @property
    def key_parts(self) -> list[str]:
        """The columns of the key: one, or those of a pair."""
        return self.key.split(" || '/' || ")


class Format(Model):
    """How a record becomes bytes."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    trailing_delimiter: bool = False
    header: bool = True
    quoting: Literal["none", "minimal", "all"] = "minimal"
    newline: Literal["lf", "crlf"] = "lf"
    encoding: Literal["utf-8", "cp1252"] = "utf-8"
    bom: bool = False


class Table(Model):
    """A relation that is made before the files, for all SQL after it.

    view: read again each time, for what is too large to keep.
    """

    name: Identifier
    sql: str
    view: bool = False


class Column(Model):
    """One column: its name in the header, and the column of the SQL it comes from.

    A source `${NAME}` is a secret of the environment (`secret_columns.py`).
    """

    header: str
    source: str
    when: When = {}

    @property
    def secret(self) -> str | None:
        """The variable of a secret; None for a column that comes from SQL."""
        return variable_of(self.source)


def _column(value: object) -> object:
    """Accept `email_addr` or `Work Email: email_addr` for a column."""
    if isinstance(value, str):
        return {"header": value, "source": value}
    if isinstance(value, dict) and len(value) == 1:
        [(header, source)] = value.items()
        return {"header": header, "source": source}
    return value


class TargetFile(Model):
    """One file of the set. Without `sql` it is made from the population itself.

    key: SQL expression, unique in the file, that the ledger and the plan know a record
    by. identity: SQL expression for the vendor's own id, where that is another one.
    command: the column that says add or change. compare_except: columns whose change is
    no change of the record. keep_line: the ledger keeps the last line that was sent.
    match_by: columns by which `d118 compare` pairs records with another file's
    (default: the first column). when: options with one of these values; else the file
    is not there. empty: what a file without rows means, or an option of which any value
    but omit means write. deliver: false, or a boolean option: rendered and checked, not
    sent. control: made last, from the relation `set_files`, and not compared. person,
    kind, school: SQL expressions over the finished file, for the disclosure register
    and the counts on its page. elements: plain names of columns, empty for one that
    tells nothing about anybody.
    """

    name: Identifier
    file: FileName
    sql: str | None = None
    when: When = {}
    empty: Literal["write", "omit", "fail"] | Identifier = "write"
    deliver: bool | Identifier = True
    control: bool = False
    person: str | None = None
    kind: str | None = None
    school: str | None = None
    elements: dict[str, str] = {}
    record_type: str
    key: str
    identity: str | None = None
    sort: list[str] = Field(min_length=1)
    columns: list[Annotated[Column, BeforeValidator(_column)]] = Field(min_length=1)
    command: str | None = None
    compare_except: list[str] = []
    keep_line: bool = False
    match_by: list[str] = []


class Assertion(Model):
    """A fact about the finished files; `sql` selects the keys that break it."""

    name: Identifier
    message: str
    sql: str


class Ledger(Model):
    """How the add/change column follows from what was verified as delivered.

    cycle: what was delivered since the start of the `day` (district time) or of the
    `run` is not yet known to the vendor. seed: `newest_dcid` demands an imported
    watermark before the first delivery; seed_once names record types for which it
    counts only until a delivery was verified; seed_except lists keys that it does not
    cover. keep: an entry per record, or no entries: then the kept tables of the last
    verified delivery are the record of who was sent, and no column says add or change.
    """

    add: str = "A"
    change: str = "C"
    cycle: Literal["day", "run"] = "day"
    seed: Literal["none", "newest_dcid"] = "none"
    seed_once: list[str] = []
    seed_except: list[int] = []
    keep: Literal["records", "files"] = "records"


class Package(Model):
    """One zip archive in place of the files, its members in their order.

    read_back: the finished archive must pass this project's own importer.
    """

    archive: FileName
    compression: Literal["deflate", "store"] = "deflate"
    read_back: Literal["none", "oneroster"] = "none"


class Delta(Model):
    """The columns that say what became of a record, in a set that holds changes only.

    option: the one that is `delta` for such a set, and anything else for a full one.
    """

    option: Identifier = "mode"
    status: str
    modified: str


class Results(Model):
    """The file in which the vendor says what became of a set.

    file: name or pattern. directory: where it is, if not in that of the destination.
    key, status, reason: its columns. of, column: the file of the set, and its column
    that `key` repeats. accepted, rejected: words of the status.
    """

    file: FileName
    directory: str | None = None
    of: Identifier | None = None
    key: str
    column: str
    status: str
    reason: str | None = None
    accepted: list[str] = []
    rejected: list[str] = Field(min_length=1)
    encoding: str | None = None


class Disclosure(Model):
    """Who gets the data and why, for the disclosure register."""

    recipient: str
    contact: str = ""
    purpose: str
    agreement: str = ""
    agreement_ends: dt.date | None = None
    retention: str = ""
    encryption: str = "SFTP"

    @field_validator("agreement_ends", mode="before")
    @classmethod
    def _date(cls, value: object) -> object:
        return dt.date.fromisoformat(value) if isinstance(value, str) else value


def _as_float(value: object) -> object:
    """Whole numbers are numbers too, in a strict model."""
    return float(value) if isinstance(value, int) else value


class Transition(Model):
    """A change of one column of the main file that counts as a deactivation."""

    column: str
    was: str
    becomes: str


class FileLimits(Model):
    """Limits on every file of a set against its last verified delivery, in percent.

    They count from `min_before` rows on.
    """

    max_removed_percent: Annotated[float, Field(ge=0, le=100)] = 10.0
    max_changed_percent: Annotated[float, Field(ge=0, le=100)] = 75.0
    min_before: Annotated[int, Field(ge=1)] = 20

    _whole = field_validator(
        "max_removed_percent", "max_changed_percent", mode="before"
    )(_as_float)


class Guard(Model):
    """Limits against the last verified delivery. Unset limits do not apply.

    Only `min_rows` fails the run; the others hold it for an approval. hold_first: so is
    the first delivery, as there is none yet to compare with. max_user_names: of users
    whose column `userName` changes. blackouts: days on which a set waits.
    """

    hold_first: bool = False

    min_rows: Annotated[int, Field(ge=1)] = 1
    max_drop_percent: Annotated[float, Field(ge=0, le=100)] | None = 10.0
    max_adds: Annotated[int, Field(ge=0)] | None = None
    max_changes: Annotated[int, Field(ge=0)] | None = None
    max_deactivations: Annotated[int, Field(ge=0)] | None = None
    deactivations: list[Transition] = []
    leaving_is_deactivation: bool = False
    max_age_hours: Annotated[float, Field(gt=0)] = 48.0
    files: FileLimits | None = None
    max_user_names: Annotated[int, Field(ge=0)] | None = None
    blackouts: list[Blackout] = []

    _whole = field_validator("max_drop_percent", "max_age_hours", mode="before")(
        _as_float
    )


class Schedule(Model):
    """When the target runs, and by when it must have been delivered.

    cron: presets or cron expressions. deadline: the same, one; none: it is never late.
    """

    cron: Annotated[Crons, Field(min_length=1)]
    deadline: str | None = None
    time_zone: str | None = None

    @field_validator("deadline")
    @classmethod
    def _known_deadline(cls, value: str | None) -> str | None:
        return cron_of(value) if value is not None else None

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return check_time_zone(value) if value is not None else None


def _schedule(value: object) -> object:
    """Accept `daily`, an expression, or a list of them, without a deadline."""
    return {"cron": value} if isinstance(value, str | list) else value


class TargetModel(Hearing):
    """The whole of one target's YAML file, on top of the layout that it extends.

    columns: file -> columns of the target's own, behind those of the file.
    """

    title: str
    description: str = ""
    enabled: bool = True
    extends: Identifier | None = None
    options: dict[Identifier, OptionValue] = {}
    choices: dict[Identifier, list[bool | int | str]] = {}
    tables: list[Table] = []
    in_term: str | None = None
    population: Population | None = None
    rules: list[Rule] = []
    codes: dict[CodeName, Code] = {}
    findings: list[str] = []
    format: Format = Format()
    main: Identifier | None = None
    files: list[TargetFile] = Field(min_length=1)
    columns: dict[Identifier, list[Annotated[Column, BeforeValidator(_column)]]] = {}
    assertions: list[Assertion] = []
    package: Package | None = None
    delta: Delta | None = None
    ledger: Ledger = Ledger()
    guard: Guard = Guard()
    limits: RunLimits = RunLimits()
    destination: AnyDestination
    schedule: Annotated[Schedule | None, BeforeValidator(_schedule)] = None
    results: Results | None = None
    disclosure: Disclosure | None = None
