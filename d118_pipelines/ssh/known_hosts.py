"""The known_hosts file, in OpenSSH's format: which host keys a server may show.

Called by `session.py`. The verdict is strict: a port other than 22 needs an entry
`[host]:port`; nothing is ever added to the file.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from d118_pipelines.errors import ConfigurationError, HostKeyError
from d118_pipelines.ssh.address import SSH_PORT, Address

RULE = (
    "a server is trusted only if known_hosts has its key (docs/reference/delivery.md)"
)
NOT_DONE = "no user name, password or file was sent over this connection"


_MARKS = re.compile(rb"\xef\xbb\xbf|\xff\xfe|\xfe\xff|\x00")
"""What PowerShell adds to text. Entries are ASCII, so UTF-16 without it is the same text,
also where only some lines of the file were written so."""


@dataclass(frozen=True, slots=True)
class KnownHost:
    """One line of the file: its number, marker (or ''), patterns, type and key.

    Without patterns it is a line that cannot be read: it names no host.
    """

    line: int
    marker: str
    patterns: tuple[str, ...]
    key_type: str
    key: bytes

    def is_for(self, name: str) -> bool:
        """Whether the patterns name this host; a `!pattern` that matches excludes."""
        found = False
        for pattern in self.patterns:
            if _matches(pattern.removeprefix("!"), name):
                if pattern.startswith("!"):
                    return False
                found = True
        return found


def read_known_hosts(path: Path, address: Address) -> list[KnownHost]:
    """Read the file, UTF-8 or UTF-16; lines that cannot be read name no host.

    Raises: ConfigurationError when there is no readable file.
    """
    try:
        text = _MARKS.sub(b"", path.read_bytes()).decode("utf-8", "replace")
    except OSError as exc:
        raise ConfigurationError(
            f"The known_hosts file cannot be read: {exc.strerror}",
            where=f"{path}, for {address.host} port {address.port}",
            rule=RULE,
            not_done="nothing was contacted",
            next_step=f"ssh-keyscan -p {address.port} {address.host} > {path}, then "
            "compare `ssh-keygen -lf` of the file with what the vendor says",
        ) from exc
    lines = enumerate(text.splitlines(), start=1)
    return [_entry(n, line) for n, line in lines if not _is_blank(line)]


def host_pattern(address: Address) -> str:
    """The name under which known_hosts lists an address: `host` or `[host]:port`."""
    if address.port == SSH_PORT:
        return address.host
    return f"[{address.host}]:{address.port}"


def key_types(entries: Sequence[KnownHost], address: Address) -> set[str]:
    """Types of the keys that the file has for an address, to ask the server for."""
    name = host_pattern(address)
    return {
        entry.key_type for entry in entries if not entry.marker and entry.is_for(name)
    }


def fingerprint(key: bytes) -> str:
    """The fingerprint as OpenSSH prints it: `SHA256:` and unpadded base64."""
    digest = base64.b64encode(hashlib.sha256(key).digest())
    return "SHA256:" + digest.decode().rstrip("=")


def md5_fingerprint(key: bytes) -> str:
    """The fingerprint as old programs print it: `MD5:` and 16 pairs of digits."""
    return "MD5:" + hashlib.md5(key, usedforsecurity=False).digest().hex(":")


def verify_host_key(
    entries: Sequence[KnownHost],
    *,
    path: Path,
    address: Address,
    describe: str,
    key_type: str,
    key: bytes,
) -> None:
    """Accept the key that the server showed, or raise HostKeyError.

    key: the public key in SSH wire format. describe: names the address's setting.
    """
    name = host_pattern(address)
    mine = [entry for entry in entries if entry.is_for(name)]
    plain = [entry for entry in mine if not entry.marker]
    revoked = [e for e in mine if e.marker == "@revoked" and e.key == key]
    if not revoked and any(entry.key == key for entry in plain):
        return
    others = [entry for entry in plain if entry.key_type == key_type]
    if revoked:
        what, lines = "has a host key that is marked as revoked", revoked
    elif others:
        what, lines = "shows another host key than before", others
    else:
        bare = [entry for entry in entries if entry.is_for(address.host)]
        what, lines = "shows a host key that is not known", plain or bare
    raise HostKeyError(
        f"The server of {describe} {what}",
        where=f"{_where(path, address, lines)}{_unread(entries)}; offered {key_type} "
        f"{fingerprint(key)} {md5_fingerprint(key)}",
        rule=RULE,
        not_done=NOT_DONE,
        next_step=_next_step(
            path, others, f"{name} {key_type} {base64.b64encode(key).decode()}"
        ),
    )


def _where(path: Path, address: Address, lines: Sequence[KnownHost]) -> str:
    text = f"{path}, {address.host} port {address.port}"
    if lines:
        text += ", see line " + ", ".join(str(entry.line) for entry in lines)
    if lines and not any(entry.is_for(host_pattern(address)) for entry in lines):
        text += f" (without the port it does not apply; write {host_pattern(address)})"
    return text


def _unread(entries: Sequence[KnownHost]) -> str:
    numbers = ", ".join(str(entry.line) for entry in entries if not entry.patterns)
    return f"; not read: line {numbers}, not `host type key`" if numbers else ""


def _next_step(path: Path, others: Sequence[KnownHost], entry: str) -> str:
    numbers = ", ".join(str(other.line) for other in others)
    edit = f"replace line {numbers} of" if numbers else "add this line to"
    return (
        "ask the vendor for the fingerprint of the server; only if it is the one above, "
        f"{edit} {path}: {entry}"
    )


def _is_blank(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _entry(number: int, line: str) -> KnownHost:
    fields, unread = line.split(), KnownHost(number, "", (), "", b"")
    marker = fields.pop(0) if fields[0].startswith("@") else ""
    if len(fields) < 3:
        return unread
    try:
        key = base64.b64decode(fields[2], validate=True)
    except ValueError:
        return unread
    if key[4 : 4 + len(fields[1])] != fields[1].encode():  # the key names its type
        return unread
    patterns = tuple(part for part in fields[0].split(",") if part)
    return KnownHost(number, marker, patterns, fields[1], key)


def _matches(pattern: str, name: str) -> bool:
    """Whether one pattern (hashed, or with `*` and `?`) names the host."""
    if pattern.startswith("|1|"):
        return _matches_hash(pattern, name)
    expression = re.escape(pattern.lower()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, name) is not None


def _matches_hash(pattern: str, name: str) -> bool:
    """`|1|salt|hash`: HMAC-SHA1 of the name with the salt as the key."""
    try:
        salt, expected = (base64.b64decode(part) for part in pattern[3:].split("|"))
    except ValueError:
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), expected)
