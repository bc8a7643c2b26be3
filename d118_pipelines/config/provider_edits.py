"""Changes of `config/providers.yaml` by a program: comments and order stay.

Called by `workflows/providers/provider_changes.py`, which tells the audit. What may be
sent is stricter than what may be written in the file: docs/console.md, what the console
may set.
"""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d118_pipelines.config.providers import FILE, load_providers
from d118_pipelines.config.secrets import encrypted
from d118_pipelines.config.yaml_files import replace_file
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.run_folders import folder_locked
from d118_pipelines.kernel.text import clean_text

SECRETS = frozenset(
    {"accesstoken", "clientsecret", "bearer", "partnerkey", "password", "privatekey"}
)
"""The keys of a `config` that hold a secret, as `plain_key` spells them."""
ADDRESSES = frozenset(
    {"baseurl", "tokenurl", "tokenendpoint", "discoveryurl", "proxyurl", "host", "port"}
)
"""The keys that say where secrets are sent; `mode` and `auth` say how."""
_WAYS = frozenset({"mode", "auth", "clientauth", "signature"})
_PATHS = frozenset({"path", "privatekeypath", "knownhosts", "files", "filenames"})
_NOT_DONE = "config/providers.yaml is as it was."
_DEEPEST = 4
Entries = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Edit:
    """What an edit did: the hashes of the file before and after, its old content."""

    before: str
    after: str
    old: bytes


def plain_key(name: str) -> str:
    """One spelling of a key: `base_url` and `baseUrl` are the same one."""
    return name.replace("_", "").lower()


def edit_providers(
    root: Path, change: Callable[[Entries], None], *, district: str
) -> Edit:
    """Change the list of entries and replace the file at once, if it is still sound.

    change: changes the list in place. Only one edit is made at a time.
    Raises: ConfigurationError if an entry would be wrong that was right before.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = root / FILE
    editor = YAML()
    editor.preserve_quotes, editor.width = True, 10**6
    editor.indent(mapping=2, sequence=4, offset=2)
    editor.representer.add_representer(
        type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    with folder_locked(path.parent):
        old = path.read_bytes() if path.exists() else b"providers: []\n"
        try:
            data = editor.load(old.decode("utf-8"))
        except (YAMLError, UnicodeDecodeError):
            raise ConfigurationError(
                f"{FILE} cannot be read.", not_done=_NOT_DONE, next_step="d118 doctor"
            ) from None
        if not data.get("providers"):
            data["providers"] = []
        change(data["providers"])
        written = io.StringIO()
        editor.dump(data, written)
        new = written.getvalue().encode("utf-8")
        _refuse_worse(root, new, district)
        replace_file(path, new)
    return Edit(_digest(old), _digest(new), old)


def _refuse_worse(root: Path, new: bytes, district: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tried = Path(folder) / FILE
        tried.parent.mkdir()
        tried.write_bytes(new)
        _, broken = load_providers(Path(folder), district=district)
    known = {one.name for one in load_providers(root, district=district)[1]}
    for one in broken:
        if one.name not in known:
            # Lines of what was not saved say nothing to anybody.
            what = re.sub(rf"{re.escape(str(tried))}(:\d+)?", FILE, one.error.what)
            raise ConfigurationError(what, rule=one.error.rule, not_done=_NOT_DONE)


def place_of(entries: Entries, provider: str) -> int:
    """The place of an entry. Raises: ConfigurationError if there is none."""
    for place, entry in enumerate(entries):
        if isinstance(entry, dict) and entry.get("id") == provider:
            return place
    raise ConfigurationError(
        f"There is no provider {provider[:80]}.",
        not_done=_NOT_DONE,
        next_step="d118 providers list",
    )


def sent_values(given: Mapping[str, Any], *, depth: int = 0) -> dict[str, Any]:
    """A `config` that was sent, for the file: texts are quoted, secrets encrypted.

    Raises: ConfigurationError for a reference, a token or a path, whatever it leads to;
    MissingSecretError without a key.
    """
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString as Quoted

    found: dict[str, Any] = {}
    for name, value in given.items():
        key = plain_key(str(name))
        if clean_text(f"{name}{value}") != f"{name}{value}":
            raise _refused(f"{name!a} has a character that no text has", "without it")
        if key in _PATHS:
            raise _refused(f"{name} is a path on this machine", "in the file itself")
        if isinstance(value, Mapping) and depth < _DEEPEST:
            found[str(name)] = sent_values(value, depth=depth + 1)
        elif isinstance(value, str):
            if "${" in value or value.startswith("fernet:"):
                raise _refused(f"{name} refers to a secret", "in the file itself")
            is_secret = key in SECRETS
            found[str(name)] = Quoted(encrypted(value) if is_secret else value)
        elif isinstance(value, bool | int | None):
            if key in SECRETS:
                raise _refused(f"{name} is no text", "as a text")
            found[str(name)] = value
        elif isinstance(value, list) and all(isinstance(one, str) for one in value):
            found[str(name)] = [Quoted(one) for one in value]
        else:
            raise _refused(f"{name} has a value that no key has", "as a text or number")
    return found


def merge_config(config: dict[str, Any], sent: Mapping[str, Any]) -> None:
    """Put what was sent into an entry's `config`.

    Where an address or the way of the login changes, every secret that was there is
    removed: whoever changes where secrets go has to know them.
    """
    if _moves(config, sent):
        _forget_secrets(config)
    _merge(config, sent)


def _merge(config: dict[str, Any], sent: Mapping[str, Any]) -> None:
    for name, value in sent.items():
        known = _spelled(config, name)
        if isinstance(value, dict) and isinstance(config.get(known), dict):
            _merge(config[known], value)
        elif value is None:
            config.pop(known, None)
        else:
            config[known] = value


def _moves(config: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    for name, value in sent.items():
        old = config.get(_spelled(config, name))
        if isinstance(value, dict):
            if _moves(old if isinstance(old, Mapping) else {}, value):
                return True
        elif plain_key(name) in ADDRESSES | _WAYS and value != old:
            return True
    return False


def _forget_secrets(config: dict[str, Any]) -> None:
    for name in list(config):
        if plain_key(name) in SECRETS:
            del config[name]
        elif isinstance(config[name], dict):
            _forget_secrets(config[name])


def _spelled(config: Mapping[str, Any], name: str) -> str:
    """The key as the entry spells it."""
    plain = plain_key(name)
    return next((known for known in config if plain_key(str(known)) == plain), name)


def hosts_in(config: Mapping[str, Any]) -> Iterator[str]:
    """The addresses in a `config`: URLs and names of hosts, as they are there."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from hosts_in(value)
        elif plain_key(str(name)) in ADDRESSES - {"port"} and value:
            yield str(value)


def _refused(what: str, how: str) -> ConfigurationError:
    return ConfigurationError(
        f"{what}; only a person sets that.",
        rule="Values that are sent are texts and numbers of their own.",
        not_done=_NOT_DONE,
        next_step=f"Set it {how}: {FILE}",
    )


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
