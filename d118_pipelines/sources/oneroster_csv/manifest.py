"""`manifest.csv`: the version of a set, and how each of its files is meant.

Called by `file_set.py`, which compares the files with it. Rule:
docs/reference/oneroster_csv.md, manifest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from d118_pipelines.kernel.finding import Findings
from d118_pipelines.sources.delimited.encodings import (
    CP1252,
    NAMES,
    UTF8,
    decodes,
    marked_encoding,
    utf8_chunks,
)
from d118_pipelines.sources.delimited.splitter import BLANKS, Record, Splitter
from d118_pipelines.sources.oneroster_csv.container import Member
from d118_pipelines.sources.oneroster_csv.findings import REJECTED, fatal, refusing
from d118_pipelines.sources.oneroster_csv.headers import plain_name
from d118_pipelines.sources.oneroster_csv.limits import Limits
from d118_pipelines.sources.oneroster_csv.tables import files_of

FILE = "manifest.csv"
MODES = ("bulk", "delta", "absent")
_HEADER = ["propertyName", "value"]
_VERSIONS = {
    "1.1": "1.1",
    "1.1.0": "1.1",
    "1.1.1": "1.1",
    "1.2": "1.2",
    "1.2.0": "1.2",
    "1.2.1": "1.2",
}
_ALLOWED = {
    "manifest.version",
    "oneroster.version",
    "source.systemName",
    "source.systemCode",
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The version (1.1 or 1.2) and the mode of each file listed; None: no known word."""

    version: str
    modes: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assumed:
    """What a provider says of sets without manifest: their version and mode."""

    version: str
    mode: str

    def manifest(self, names: Collection[str]) -> Manifest:
        """The manifest that files of these names would have."""
        known = (file for file in files_of(self.version) if f"{file}.csv" in names)
        return Manifest(self.version, dict.fromkeys(known, self.mode))


def read_manifest(member: Member, findings: Findings, limits: Limits) -> Manifest:
    """Read the manifest. Raises: IncompleteExtractError with the code of the rule."""
    with refusing(FILE):
        text = _text(member, findings, limits)
        records = Splitter(limits.dialect).split(text, 1, is_last=True).records
    for record in records:
        if record.problem in REJECTED:
            findings.add(REJECTED[record.problem], "reject", FILE, line=record.line)
    rows = [record for record in records if not record.problem]
    _check_header(rows[0].cells if rows else [], findings)
    properties = _properties(rows[1:], findings)
    version = _VERSIONS.get(properties.get("oneroster.version", ""))
    if version is None:
        what = "The value of oneroster.version is neither 1.1 nor 1.2."
        fatal("bundle.version_unsupported", what, file=FILE)
    if properties.get("manifest.version") != "1.0":
        findings.add("manifest.bad_version", "warn", FILE, field="manifest.version")
    return Manifest(version, dict(_modes(properties, version, findings)))


def _text(member: Member, findings: Findings, limits: Limits) -> str:
    if member.size_bytes > limits.max_record_bytes:
        fatal("zip.too_large", "The manifest is too large to be one.", file=FILE)
    data = b"".join(member.chunks())
    encoding = UTF8
    if (marked := marked_encoding(data)) in NAMES or not decodes([data], UTF8):
        encoding = marked or CP1252
        detail = f"read as {NAMES[encoding]}"
        findings.add("csv.encoding", "warn", FILE, detail=detail)
    text = b"".join(utf8_chunks(iter([data]), encoding)).decode(UTF8)
    if "\0" in text:
        fatal("csv.nul", "The manifest has a NUL character.", file=FILE)
    return text


def _check_header(names: Sequence[str], findings: Findings) -> None:
    if list(names) == _HEADER:
        return
    if [plain_name(name) for name in names] != [plain_name(name) for name in _HEADER]:
        what = "The header is not propertyName,value."
        fatal("manifest.bad_header", what, file=FILE, line=1)
    findings.add("manifest.bad_header", "warn", FILE, line=1)


def _properties(rows: Sequence[Record], findings: Findings) -> dict[str, str]:
    found: dict[str, str] = {}
    for line, cells, *_ in rows:
        values = [value.strip(BLANKS) for value in cells]
        if len(values) < 2 or any(values[2:]):
            findings.add("csv.ragged", "reject", FILE, line=line)
            continue
        name, value = values[:2]
        if found.get(name, value) != value:
            what = "A property occurs twice with different values."
            fatal("manifest.duplicate_property", what, file=FILE, line=line)
        if name in found:
            findings.add("manifest.duplicate_property", "warn", FILE, line=line)
        found[name] = value
    return found


def _modes(
    properties: Mapping[str, str], version: str, findings: Findings
) -> Iterator[tuple[str, str | None]]:
    files = files_of(version)
    for name, value in properties.items():
        file = name.removeprefix("file.")
        if name not in _ALLOWED and (file == name or file not in files):
            findings.add("manifest.unknown_property", "warn", FILE, detail="ignored")
        elif file != name:
            mode = value.lower() if value.lower() in MODES else None
            if mode != value:
                findings.add("manifest.bad_mode", "warn", FILE, field=name)
            yield file, mode
    for file in files:
        if f"file.{file}" not in properties:
            name = f"file.{file}"
            findings.add("manifest.missing_property", "warn", FILE, field=name)
