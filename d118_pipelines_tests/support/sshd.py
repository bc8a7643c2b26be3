"""A real OpenSSH server on loopback, with its own configuration, keys and account.

Belongs here: starting and ending sshd. Not here: what is delivered to it.

As root the server runs in a mount namespace of its own: its account, its /run and a
small disk exist only there, so nothing of the machine is changed and nothing stays,
even after a kill. As another user it runs with that user's account; then there is no
login with a password and no small disk.
"""

from __future__ import annotations

import functools
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
ACCOUNT = "canary-account"
PASSWORD = "canary-Passw0rd-4711"
PASSWORD_HASH = (
    "$6$canarysalt$NZNLLmkvYiOU8JeY07FeZRPsd734rPFVYGBaD0sfMXtpOWYH/"
    "bogGzAJSPsJEvJCJrvpvrcu4tqWGrRbl7P7C1"
)
FOLDER = "upload1"
START_SECONDS = 120.0

# All that sshd and PAM read there. The folder is mounted as a whole: a mount on /etc/passwd
# alone ends when another program, like the installation of a server, replaces that file.
ETC = (
    *("group", "hosts", "ld.so.cache", "localtime", "nsswitch.conf", "passwd"),
    *("environment", "login.defs", "pam.conf", "pam.d", "security"),
)

_ISOLATED_START = """
mount -t tmpfs tmpfs /run
mkdir /run/sshd
mount --bind "$1/etc" /etc
test -z "$2" || mount -t tmpfs -o "size=$2" tmpfs "$1/home/upload1"
shift 2
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class SshKeys:
    """Key pairs made once: two host keys, a second of one type, and a login key."""

    folder: Path

    @classmethod
    def generate(cls, folder: Path) -> SshKeys:
        folder.mkdir(exist_ok=True)
        for name, kind in [("host_ed25519", "ed25519"), ("host_rsa", "rsa")]:
            make_key(folder / name, kind)
        make_key(folder / "other_ed25519", "ed25519")
        make_key(folder / "login", "ed25519")
        return cls(folder)

    def private(self, name: str) -> Path:
        return self.folder / name

    def public(self, name: str) -> str:
        """`type base64`, without the comment."""
        text = (self.folder / f"{name}.pub").read_text(encoding="ascii")
        return " ".join(text.split()[:2])


@dataclass(slots=True)
class Sshd:
    """A running server. `folder` is the upload folder as seen from this process."""

    port: int
    account: str
    folder: Path
    log: Path
    keys: SshKeys
    process: subprocess.Popen[bytes]

    @property
    def login_attempts(self) -> int:
        """How many requests to authenticate the server has seen."""
        return len(re.findall(r"userauth-request for user", self.log_text()))

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def make_key(path: Path, kind: str, *, form: str = "", passphrase: str = "") -> Path:
    """Make a key pair with ssh-keygen; form is '' (OpenSSH), `PEM` or `PKCS8`."""
    bits = {"rsa": ["-b", "2048"]}.get(kind, [])
    forms = ["-m", form] if form else []
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, *bits, *forms, "-N", passphrase, "-f", path],
        check=True,
    )
    return path


@functools.cache
def can_isolate() -> bool:
    """Whether this account may mount in a namespace of its own."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    command = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /run"]
    return subprocess.run(command, capture_output=True).returncode == 0


def require_sshd() -> None:
    """Skip the test by name when there is no server program."""
    if not Path(SSHD).exists() or shutil.which("ssh-keygen") is None:
        pytest.skip("sshd is not installed")


def require_isolation(what: str) -> None:
    """Skip the test by name when it needs an account or a disk of its own."""
    if not can_isolate():
        pytest.skip(f"{what} needs root and the right to mount")


@contextmanager
def running_sshd(
    base: Path,
    keys: SshKeys,
    *,
    sftp_options: str = "",
    config: Sequence[str] = (),
    host_keys: Sequence[str] = ("host_ed25519", "host_rsa"),
    authorized: Sequence[str] = (),
    disk: str = "",
) -> Iterator[Sshd]:
    """Start a server under `base` and end it with all its children.

    sftp_options: for internal-sftp, as `-R`. config: further lines of sshd_config.
    authorized: public keys beside the login key. disk: size of a tmpfs as the upload
    folder (needs `require_isolation`).
    """
    require_sshd()
    (base / "home" / FOLDER).mkdir(parents=True)
    account = _write_account(base)
    public = [keys.public("login"), *authorized]
    (base / "authorized_keys").write_text("\n".join(public) + "\n", encoding="ascii")
    process, port = _start(base, keys, sftp_options, config, host_keys, disk)
    folder = base / "home" / FOLDER
    if disk:
        folder = Path(f"/proc/{process.pid}/root{folder}")
    try:
        yield Sshd(port, account, folder, base / "log", keys, process)
    finally:
        end_with_children(process)


def end_with_children(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and everything it has started, and wait for it.

    The children go first, so that their parent still takes note and none stays as a
    zombie.
    """
    end = time.monotonic() + 5
    while (children := processes_below(process.pid)) and time.monotonic() < end:
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    process.kill()
    process.wait()


def processes_below(pid: int) -> list[int]:
    """Ids of all processes below a process."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, path.read_text(encoding="ascii").split()):
                found += [child, *processes_below(child)]
    return found


def _write_account(base: Path) -> str:
    """The account to log in with; isolated, it is one of our own with all rights."""
    if not can_isolate():
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        return getpass.getuser()
    etc = base / "etc"
    etc.mkdir()
    for name in ETC:
        source = Path("/etc", name)
        if source.exists():
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, etc / name)
    with (etc / "passwd").open("a", encoding="utf-8") as passwd:
        passwd.write(f"{ACCOUNT}:x:0:0::{base}/home:/bin/sh\n")
    shadow = f"{ACCOUNT}:{PASSWORD_HASH}:19000:0:99999:7:::\n"
    (etc / "shadow").write_text(shadow, encoding="utf-8")
    return ACCOUNT


def _start(
    base: Path,
    keys: SshKeys,
    sftp_options: str,
    config: Sequence[str],
    host_keys: Sequence[str],
    disk: str,
) -> tuple[subprocess.Popen[bytes], int]:
    """Start on a free port; another process may take it first, so try a few."""
    for _ in range(5):
        port = _free_port()
        lines = [
            *config,  # the first line of a keyword counts
            f"Port {port}",
            *(f"HostKey {keys.private(name)}" for name in host_keys),
            f"AuthorizedKeysFile {base}/authorized_keys",
            f"Subsystem sftp internal-sftp -d {base}/home {sftp_options}",
            "ListenAddress 127.0.0.1",
            "PidFile none",
            "LogLevel DEBUG1",
            "StrictModes no",
            "UsePAM no",
            "UseDNS no",
            "PermitRootLogin yes",
            "PasswordAuthentication yes",
            "KbdInteractiveAuthentication no",
            *_without_penalties(),
        ]
        (base / "sshd_config").write_text("\n".join(lines) + "\n", encoding="utf-8")
        process = _spawn(base, disk)
        if _is_listening(base / "log", port, process):
            return process, port
        end_with_children(process)
    log = (base / "log").read_text(encoding="utf-8", errors="replace")
    raise RuntimeError(f"sshd did not start:\n{log}")


def _spawn(base: Path, disk: str) -> subprocess.Popen[bytes]:
    command = [SSHD, "-D", "-e", "-f", str(base / "sshd_config")]
    if can_isolate():
        start = ["unshare", "--mount", "--propagation", "private", "sh", "-ec"]
        command = [*start, _ISOLATED_START, "sh", str(base), disk, *command]
    with (base / "log").open("wb") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


def _is_listening(log: Path, port: int, process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        if f"listening on 127.0.0.1 port {port}." in log.read_text(errors="replace"):
            return True
        time.sleep(0.01)
    return False


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@functools.cache
def _without_penalties() -> tuple[str, ...]:
    """From OpenSSH 9.8 on a server locks out addresses after failed logins."""
    result = subprocess.run([SSHD, "-V"], capture_output=True, text=True)
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", result.stderr + result.stdout)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    return ("PerSourcePenalties no",) if version >= (9, 8) else ()
