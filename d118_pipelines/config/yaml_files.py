"""Reading YAML files into typed models; every error names file, line, key and rule.

Called by everything that has a file: `project.py`, `providers.py`,
`targets/definition.py`, `roster/model/mapping.py`.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from d118_pipelines.errors import ConfigurationError

KeyPath = tuple[str | int, ...]

# The parser in C is ten times faster; it is not in every build of the library.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 40
_MOST_NODES = 100_000
_INTEGER_BITS = 64


class Model(BaseModel):
    """Base of all configuration models: unknown keys are errors, values are frozen."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False
    )


AnyModel = TypeVar("AnyModel", bound=Model)


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as plain values, with the line of every key."""

    path: Path
    data: Any
    lines: Mapping[KeyPath, int]
    base: Document | None = None
    """The document that this one extends; it has the lines of what it gave."""

    def has(self, key: KeyPath) -> bool:
        """Whether this document or the one below it has the key."""
        return key in self.lines or (self.base is not None and self.base.has(key))

    def where(self, key: KeyPath) -> str:
        """`file:line, key a.b[0]` of a key, or of its nearest parent."""
        if self.base is not None and key not in self.lines and self.base.has(key):
            return self.base.where(key)
        known = key
        while known and known not in self.lines:
            known = known[:-1]
        dotted = "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in key)
        text = f"{shown_path(self.path)}:{self.lines.get(known, 1)}"
        return f"{text}, key {dotted.lstrip('.')}" if dotted else text


def read_yaml(path: Path) -> Document:
    """Parse one YAML file.

    Raises: ConfigurationError with file and line if the file is missing, not YAML, or
    repeats a key; if it nests or expands beyond what any file of this project needs; if
    a value is none that YAML's types have.
    """
    text = _text(path)
    lines: dict[KeyPath, int] = {}
    try:
        _check_size(text)
        node = yaml.compose(text, Loader=_LOADER)
        if node is None:
            return Document(path, {}, lines)
        _collect_lines(path, node, (), lines)
        return Document(path, _Values("").construct_document(node), lines)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line if exc.problem_mark else 0
        problem = str(exc.problem)
        if "\t" in "".join(text.splitlines()[line : line + 1]):
            problem += " (the line has a tab; YAML is indented with spaces)"
        raise _not_yaml(path, line + 1, problem) from None
    except yaml.YAMLError:
        raise _not_yaml(path, 1, "it is not plain text in UTF-8") from None


def shipped_yaml(path: Path) -> Any:
    """A file of the package itself: it is right, so nothing of it is checked."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)


def _text(path: Path) -> str:
    """The text of a file. Raises: ConfigurationError if it is none."""
    if not path.exists():
        raise ConfigurationError(
            f"{shown_path(path)} does not exist.", not_done="Nothing was started."
        )
    try:
        # A pipe would be waited for.
        if not path.is_file():
            raise OSError(0, "it is not a file")
        raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        text = raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        line = raw[: exc.start].count(b"\n") + 1
        raise _not_yaml(path, line, "it is not plain text in UTF-8") from None
    except OSError as exc:
        raise ConfigurationError(
            f"{shown_path(path)} cannot be read: {exc.strerror}.",
            not_done="Nothing was started.",
        ) from None
    odd = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if odd:
        line = text[: odd.start()].count("\n") + 1
        raise _not_yaml(path, line, "it is not plain text in UTF-8")
    return text


def _check_size(text: str) -> None:
    """Refuse what the parser would die of, or would never finish.

    Raises: yaml.MarkedYAMLError for depth, for aliases that hold themselves or that
    multiply, for tags.
    """
    sizes: dict[str, int] = {}  # of what each anchor names
    open_nodes: list[tuple[str, int]] = []  # anchor, nodes before it
    nodes = 0
    event: Any  # the types of the parser in C and of the other have no common base
    for event in yaml.parse(text, Loader=_LOADER):
        problem = ""
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            sizes |= {anchor: nodes - before} if anchor else {}
        elif isinstance(event, yaml.NodeEvent):
            anchor, before = event.anchor or "", nodes
            nodes += 1
            if isinstance(event, yaml.AliasEvent):
                nodes += sizes.get(anchor, 0)
                problem = "" if anchor in sizes else f"*{anchor} is not there before it"
            elif tag := getattr(event, "tag", None):
                problem = f"the tag {tag} is not read"
            elif isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append((anchor, before))
            elif anchor:
                sizes[anchor] = 1
        if len(open_nodes) > _DEEPEST:
            problem = f"it is nested more than {_DEEPEST} levels deep"
        elif nodes > _MOST_NODES:
            problem = f"it has more than {_MOST_NODES:,} values"
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


class _Values(yaml.SafeLoader):
    """Values of nodes; one that has none is an error with its place."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of one node. Raises: yaml.MarkedYAMLError."""
        try:
            value = super().construct_object(node, deep)
        except (ValueError, OverflowError):
            value = None
            shown = f"{node.value[:40]} is no date, time or number"
        else:
            if not isinstance(value, int) or value.bit_length() < _INTEGER_BITS:
                return value
            shown = f"{node.value[:40]} is too large a number"
        raise yaml.MarkedYAMLError(problem=shown, problem_mark=node.start_mark)


def _not_yaml(path: Path, line: int, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"{shown_path(path)} is not valid YAML: {problem}.",
        where=f"{shown_path(path)}:{line}",
        not_done="Nothing was started.",
    )


def read_model(model: type[AnyModel], path: Path, **extra: Any) -> AnyModel:
    """Read a YAML file into a model; `extra` adds values that are not in the file.

    Raises: ConfigurationError listing every wrong or unknown key with its line.
    """
    return check_model(model, read_yaml(path), **extra)


def check_model(model: type[AnyModel], document: Document, **extra: Any) -> AnyModel:
    """A document that was read already, as a model; errors as of `read_model`."""
    if not isinstance(document.data, dict):
        raise ConfigurationError(
            f"{shown_path(document.path)} must be a mapping of keys.",
            where=document.where(()),
        )
    try:
        return model.model_validate({**document.data, **extra})
    except ValidationError as exc:
        raise configuration_error(document, exc) from None


def configuration_error(
    document: Document, exc: ValidationError, *, under: KeyPath = ()
) -> ConfigurationError:
    """Turn a model's errors into one message with a line per wrong key.

    under: the key of the part of the document that was checked, in place of the first
    part of each error's location.
    """
    found = [
        f"{document.where(_key_of(error, document, under))}: {_rule(error)}"
        for error in exc.errors(include_url=False, include_context=False)
    ]
    return ConfigurationError(
        f"{shown_path(document.path)} has {len(found)} wrong "
        f"{'entry' if len(found) == 1 else 'entries'}:\n  " + "\n  ".join(found),
        not_done="Nothing was started.",
        next_step="Correct the lines named above, then run: d118 doctor",
    )


def _key_of(error: Any, document: Document, under: KeyPath) -> KeyPath:
    """The part of an error's location that the file has (it adds union tags).

    A missing key has no line, but is named too.
    """
    loc: tuple[str | int, ...] = error["loc"][1:] if under else error["loc"]
    key = under
    for place, part in enumerate(loc, start=1):
        is_missing = error["type"] == "missing" and place == len(loc)
        if document.has((*key, part)) or is_missing:
            key = (*key, part)
    return key


def _rule(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key"
    if error["type"] == "missing":
        return "missing key"
    text = str(error["msg"])
    if error["type"] == "value_error":
        return text.removeprefix("Value error, ")  # our own words
    return text[:1].lower() + text[1:]


def _collect_lines(
    path: Path, node: yaml.Node, key: KeyPath, lines: dict[KeyPath, int]
) -> None:
    lines.setdefault(key, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _collect_lines(path, item, (*key, index), lines)
    if not isinstance(node, yaml.MappingNode):
        return
    for name_node, value in node.value:
        line = name_node.start_mark.line + 1
        if not isinstance(name_node, yaml.ScalarNode):
            problem = "a key is a list or a mapping, not a word"
            raise yaml.MarkedYAMLError(
                problem=problem, problem_mark=name_node.start_mark
            )
        child = (*key, name_node.value)
        if child in lines:
            raise ConfigurationError(
                f"{shown_path(path)}:{line}: the key {name_node.value} occurs twice."
            )
        lines[child] = line
        _collect_lines(path, value, child, lines)


def shown_path(path: Path) -> str:
    """A path as people write it: relative to the working directory where possible."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def check_time_zone(name: str) -> str:
    """Return the name if the machine knows the time zone. Raises: ValueError."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{name} is not a time zone such as America/Chicago") from None
    return name


def replace_file(path: Path, content: bytes) -> None:
    """Write a file of the configuration in one step; it keeps its mode (new: 0600)."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600)
    beside.replace(path)
