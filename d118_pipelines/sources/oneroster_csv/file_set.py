"""The files of a set against its manifest: version, names, what is there.

Called by `source.py` and `arrival.py`, before any row is read; `modes.py` judges what
the rows say. Rule: docs/reference/oneroster_csv.md, file set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from d118_pipelines.kernel.finding import Findings
from d118_pipelines.sources.oneroster_csv import manifest as manifest_csv
from d118_pipelines.sources.oneroster_csv.container import Container, Member
from d118_pipelines.sources.oneroster_csv.findings import fatal
from d118_pipelines.sources.oneroster_csv.headers import plain_name
from d118_pipelines.sources.oneroster_csv.limits import Limits
from d118_pipelines.sources.oneroster_csv.manifest import (
    Assumed,
    Manifest,
    read_manifest,
)
from d118_pipelines.sources.oneroster_csv.reading import FileReader
from d118_pipelines.sources.oneroster_csv.tables import COLLECTIONS, files_of

SUFFIX = ".csv"


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files of a set by their names without `.csv`, and how each is meant."""

    version: str  # 1.1, 1.2, 1.2.1
    members: Mapping[str, Member]
    modes: Mapping[str, str | None]

    def mode_of(self, file: str) -> str | None:
        """bulk or delta as declared; None where absence means nothing."""
        mode = self.modes.get(file)
        return mode if mode in ("bulk", "delta") else None


def open_set(
    container: Container,
    findings: Findings,
    limits: Limits,
    file_names: Mapping[str, str],
    assumed: Assumed | None = None,
) -> FileSet:
    """Read the manifest and the header of `users.csv`, and compare the names.

    file_names: name in the set by name in the standard, both as `users: people.csv`.
    assumed: of a set without manifest.
    Raises: IncompleteExtractError with the code of the rule.
    """
    members = _by_standard_name(container.members, file_names, findings)
    if manifest_csv.FILE in members:
        manifest = read_manifest(members.pop(manifest_csv.FILE), findings, limits)
    elif assumed is not None:
        manifest = assumed.manifest(members.keys())
        as_said = f"read as {assumed.version}, {assumed.mode}"
        findings.add(
            "bundle.manifest_missing", "info", manifest_csv.FILE, detail=as_said
        )
    else:
        what = (
            "The set has no manifest.csv; version 1.0 is not supported. `withoutManifest` "
            "of the provider can name version and mode."
        )
        fatal("bundle.manifest_missing", what)
    users = members.get("users" + SUFFIX)
    version = manifest.version
    if users is not None:
        header = FileReader(users, "users.csv", findings, limits).header()
        version = _version(manifest, header, findings)
    known = {name + SUFFIX: name for name in files_of(version)}
    for name in members.keys() - known.keys():
        findings.add("bundle.file_unknown", "warn", _shown(name), detail="ignored")
    files = {known[name]: members[name] for name in members if name in known}
    _check_declared(files, manifest, findings)
    return FileSet(version, files, manifest.modes)


def _by_standard_name(
    members: Mapping[str, Member], file_names: Mapping[str, str], findings: Findings
) -> dict[str, Member]:
    standard = {name: f"{file}{SUFFIX}" for file, name in file_names.items()}
    names = [*files_of("1.2"), "manifest"]
    by_case = {plain_name(name + SUFFIX): name + SUFFIX for name in names}
    found: dict[str, Member] = {}
    for name in sorted(members, key=lambda name: name not in by_case.values()):
        right = standard.get(name) or by_case.get(plain_name(name), name)
        if right in found:
            right = name
        elif right != name and name not in standard:
            findings.add("bundle.file_case", "warn", right)
        found[right] = members[name]
    return found


def _version(manifest: Manifest, header: list[str], findings: Findings) -> str:
    """The header wins over the manifest; 1.2 and 1.2.1 differ in one column."""
    names = {plain_name(name) for name in header}
    is_old = bool({"orgsourcedids", "role"} & names)
    if is_old != (manifest.version == "1.1"):
        findings.add("bundle.version_conflict", "warn", "users.csv", line=1)
    if is_old:
        return "1.1"
    return "1.2" if "resourcesourcedids" in names else "1.2.1"


def _check_declared(
    files: Mapping[str, Member], manifest: Manifest, findings: Findings
) -> None:
    declared = {n for n, mode in manifest.modes.items() if mode in ("bulk", "delta")}
    missing = sorted(declared - files.keys())
    for name in missing:
        if name in COLLECTIONS:
            listed = ", ".join(name + SUFFIX for name in missing)
            what = f"Declared in the manifest, but not in the set: {listed}."
            fatal("bundle.file_missing", what, file=name + SUFFIX)
        findings.add("bundle.file_missing", "warn", name + SUFFIX, detail="not stored")
    for name in files:
        if manifest.modes.get(name, "absent") == "absent":
            findings.add("bundle.file_undeclared", "warn", name + SUFFIX)
    if not files:
        findings.add("bundle.no_change", "info", manifest_csv.FILE)


def _shown(name: str) -> str:
    """An unexpected name may have anything in it; only its beginning is shown."""
    return "".join(c for c in name[:64] if c.isprintable())
