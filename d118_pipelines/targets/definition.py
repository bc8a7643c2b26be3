"""What a target is: the models of `mappings/targets/<target>.yaml`.

Belongs here: the keys, their defaults and rules, and the SQL files they name.
Not here: running any of it (`build.py`), connections (`delivery/`).
The page for people is docs/add_a_target.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from cronsim import CronSim, CronSimError
from pydantic import BeforeValidator, Field, field_validator, model_validator

from d118_pipelines.configuration import (
    Document,
    KeyPath,
    Model,
    check_time_zone,
    read_model,
    read_yaml,
)
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.targets.definition_checks import missing_sql, undeclared

# How long before a deadline a delivery counts for that deadline.
DEADLINE_WINDOW = dt.timedelta(hours=6)

OptionValue = bool | int | str | list[int] | list[str]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Code(Model):
    """What a finding's code means to the person who reads it."""

    level: Literal["error", "warning", "information"]
    field: str = ""
    todo: str


class Rule(Model):
    """One rule on a record of the population; `when` is a DuckDB expression.

    ignore: left out, nothing to report. skip: left out and reported. hold: left out,
    reported, and a person should act. report: exported and reported.
    The first of ignore, skip and hold that is true decides; keys that the option named
    by `allow` lists are never caught by the rule.
    """

    code: Identifier
    action: Literal["ignore", "skip", "hold", "report"]
    when: str
    allow: Identifier | None = None


class Population(Model):
    """The records that a target is about: one row each, before the rules."""

    sql: str
    key: str


class Format(Model):
    """How a record becomes bytes."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    trailing_delimiter: bool = False
    header: bool = True
    quoting: Literal["none", "minimal", "all"] = "minimal"
    newline: Literal["lf", "crlf"] = "lf"
    encoding: Literal["utf-8", "cp1252"] = "utf-8"


class Column(Model):
    """One column: its name in the header, and the column of the SQL it comes from."""

    header: str
    source: str


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
    match_by: columns by which `d118 compare` pairs records with another file's (default:
    the first column).
    """

    name: Identifier
    file: Annotated[str, Field(pattern=r"^[^/\\\x00-\x1f]+$")]
    sql: str | None = None
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
    cover.
    """

    add: str = "A"
    change: str = "C"
    cycle: Literal["day", "run"] = "day"
    seed: Literal["none", "newest_dcid"] = "none"
    seed_once: list[str] = []
    seed_except: list[int] = []


class Transition(Model):
    """A change of one column of the main file that counts as a deactivation."""

    column: str
    was: str
    becomes: str


class Guard(Model):
    """Limits against the last verified delivery. Unset limits do not apply.

    Only `min_rows` fails the run; the others hold it for an approval.
    """

    min_rows: Annotated[int, Field(ge=1)] = 1
    max_drop_percent: Annotated[float, Field(ge=0, le=100)] | None = 10.0
    max_adds: Annotated[int, Field(ge=0)] | None = None
    max_changes: Annotated[int, Field(ge=0)] | None = None
    max_deactivations: Annotated[int, Field(ge=0)] | None = None
    deactivations: list[Transition] = []
    leaving_is_deactivation: bool = False
    max_age_hours: Annotated[float, Field(gt=0)] = 48.0

    @field_validator("max_drop_percent", "max_age_hours", mode="before")
    @classmethod
    def _whole_numbers_too(cls, value: object) -> object:
        return float(value) if isinstance(value, int) else value


class Destination(Model):
    """Where and how the files go. Keys that end in `_env` name environment variables.

    While the variable of `address_env` is unset, the set goes to
    `D118_HOME/outbox/<target>/`.
    """

    address_env: str
    username_env: str
    password_env: str | None = None
    key_file: str | None = None
    key_passphrase_env: str | None = None
    known_hosts: str = "known_hosts"
    directory: str
    allow_ssh_rsa: bool = False
    use_temp_names: bool = True
    confirm_size: bool = True
    confirm_hash: bool = True
    set_mtime: bool = False
    ordered_mtimes: bool = False
    verify_after_rename: bool = True

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> Destination:
        if (self.password_env is None) == (self.key_file is None):
            raise ValueError("exactly one of password_env and key_file is needed")
        return self


class Schedule(Model):
    """When the target runs, and by when it must have been delivered (five-field cron)."""

    cron: str
    deadline: str
    time_zone: str | None = None

    @field_validator("cron", "deadline")
    @classmethod
    def _five_fields(cls, value: str) -> str:
        if len(value.split()) != 5 or not re.fullmatch(r"[\d*/,\-A-Za-z ]+", value):
            raise ValueError(f"'{value}' is not a cron text of five fields")
        try:
            CronSim(value, dt.datetime(2000, 1, 1))
        except CronSimError:
            raise ValueError(f"'{value}' is not a time that comes") from None
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return check_time_zone(value) if value is not None else None


class TargetModel(Model):
    """The whole of one target's YAML file."""

    title: str
    description: str = ""
    options: dict[Identifier, OptionValue] = {}
    choices: dict[Identifier, list[bool | int | str]] = {}
    population: Population
    rules: list[Rule] = []
    codes: dict[Identifier, Code] = {}
    findings: list[str] = []
    format: Format = Format()
    files: list[TargetFile] = Field(min_length=1)
    assertions: list[Assertion] = []
    ledger: Ledger = Ledger()
    guard: Guard = Guard()
    destination: Destination
    schedule: Schedule | None = None


# A target's name is an asset group and a job; two of these are taken.
TARGET_NAME = re.compile(r"(?!(approve|powerschool)$)[a-z][a-z0-9_]*")
# Relations of the workbench that SQL may read beside the files.
RESERVED_NAMES = ("population", "outcome", "exported", "ledger", "ledger_seed", "known")
READS = re.compile(
    r"\b(raw|staged|roster)\.([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)\b", re.I
)
_COMMENT_OR_TEXT = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.S)


class Target:
    """A target as the rest of the code uses it: the model, its name and its SQL."""

    def __init__(self, path: Path, model: TargetModel, sql_folder: Path) -> None:
        self.name = path.stem
        self.path = path
        self.model = model
        self._sql_folder = sql_folder

    def sql(self, name: str) -> str:
        """The text of one of the target's SQL files."""
        return (self._sql_folder / name).read_text(encoding="utf-8")

    @property
    def sql_files(self) -> list[str]:
        """The SQL files in the order of use: population, files, findings."""
        model = self.model
        made = [model.population.sql, *(f.sql for f in model.files if f.sql)]
        return [*made, *model.findings]

    @cached_property
    def reads(self) -> list[tuple[str, str, str]]:
        """The assets that the SQL reads, as key parts, sorted."""
        found: set[tuple[str, str, str]] = set()
        for name in self.sql_files:
            text = _COMMENT_OR_TEXT.sub(" ", self.sql(name))
            found |= {
                (a.lower(), b.lower(), c.lower()) for a, b, c in READS.findall(text)
            }
        return sorted(found)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the YAML file and every SQL file: the code version."""
        digest = hashlib.sha256(self.path.read_bytes())
        for name in self.sql_files:
            digest.update(self.sql(name).encode("utf-8"))
        return digest.hexdigest()

    @property
    def main_file(self) -> TargetFile:
        """The first file of the set; the guard counts its rows."""
        return self.model.files[0]


def read_target(path: Path, sql_folder: Path) -> Target:
    """Read and check one target.

    Raises: ConfigurationError naming file, line and key for unknown keys, bad values,
    SQL files that do not exist, and names that nothing declares.
    """
    model = read_model(TargetModel, path)
    target = Target(path, model, sql_folder)
    complaints = [*missing_sql(model, sql_folder), *undeclared(model, RESERVED_NAMES)]
    if not TARGET_NAME.fullmatch(target.name):
        rule = "small letters, digits and _, and not approve or powerschool"
        complaints.insert(0, ((), f"the file's name must be {rule}"))
    if complaints:
        document = read_yaml(path)
        raise ConfigurationError(
            f"{path.name} does not hold together:\n  "
            + "\n  ".join(_at(document, key, text) for key, text in complaints),
            not_done="Nothing was started.",
            next_step="Correct the lines named above, then run: d118 doctor",
        )
    return target


def read_targets(root: Path) -> list[Target]:
    """All targets of `mappings/targets/*.yaml`, ordered by name.

    Raises: ConfigurationError for the first target that is wrong.
    """
    folder = root / "mappings/targets"
    return [read_target(p, root / "sql/exports") for p in sorted(folder.glob("*.yaml"))]


def _at(document: Document, key: KeyPath, text: str) -> str:
    return f"{document.where(key)}: {text}"
