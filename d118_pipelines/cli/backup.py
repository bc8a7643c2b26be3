"""`d118 backup`, `restore` and `unlock`: one archive, and a copy made of it.

The work is in `workflows/upkeep/backup.py` and `workflows/upkeep/restore.py`, the lock
in `state/restored.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from d118_pipelines.cli.context import AsJson
from d118_pipelines.cli.output import say, show_json, warn
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.hashes import sha256_of
from d118_pipelines.state import audit
from d118_pipelines.state.open import state_database
from d118_pipelines.state.restored import settle, unlock
from d118_pipelines.workflows.runs.run import account
from d118_pipelines.workflows.upkeep.backup import (
    FOLDER,
    Backup,
    make_backup,
)

_KEY = typer.Option(
    help="File with a key of d118 secrets new-key, outside this folder; without it, "
    "secrets are not in the archive."
)
SecretsKey = Annotated[Path | None, _KEY]


def backup(
    file: Annotated[
        Path | None, typer.Argument(help="The archive; default: in D118_HOME/backups/.")
    ] = None,
    secrets_key: SecretsKey = None,
    portable: Annotated[
        bool,
        typer.Option(
            "--portable",
            help="Copy a state on PostgreSQL into a SQLite file, for a machine without a "
            "server.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write state, last deliveries, this folder and the run history into one archive."""
    project = Project.here()
    made = verified_backup(project, file, secrets_key, is_portable=portable)
    if as_json:
        show_json(_plain(made))
        return
    say(
        f"Wrote and verified {made.path}: {len(made.files):,} files, "
        f"{made.size_bytes / 1e6:,.1f} MB. Copy it to another machine."
    )
    for text in made.left_out:
        warn(f"Not in it: {text}")


def verified_backup(
    project: Project,
    file: Path | None = None,
    secrets_key: Path | None = None,
    *,
    is_portable: bool = False,
) -> Backup:
    """Make an archive and record it; by default under a name of this moment."""
    now = utc_now()
    if file is None:
        name = f"{project.district().id}-{now:%Y%m%dT%H%M%SZ}.tar.gz"
        file = project.folder(FOLDER) / name
    made = make_backup(
        project, file, now=now, key_file=secrets_key, is_portable=is_portable
    )
    audit.record_alone(
        state_database(project),
        now=now,
        actor=account(),
        action="backup made",
        subject=made.path.name,
        after=sha256_of(made.path),
    )
    return made


def restore(
    file: Annotated[Path, typer.Argument(help="The archive.")],
    check: Annotated[
        bool, typer.Option("--check", help="Only prove it, in a temporary place.")
    ] = False,
    secrets_key: SecretsKey = None,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back; the copy is locked until d118 unlock."""
    from d118_pipelines.workflows.upkeep import restore as work

    project = Project.here()
    if check:
        found = work.check_only(project, file)
        if as_json:
            show_json(_plain(found))
        else:
            say(
                f"{file} is whole: {len(found.files):,} files, made {found.made_at:%F %R} UTC."
            )
        return
    done = work.restore(
        project, file, actor=account(), now=utc_now(), key_file=secrets_key
    )
    if as_json:
        show_json({**_plain(done.backup), "written": done.written, "other": done.other})
        return
    say(
        f"Restored {done.written:,} files of {done.backup.made_at:%F %R} UTC. This copy is "
        "locked: nothing is read, changed or sent.\nNext: d118 doctor; stop the old "
        "machine for good; then d118 unlock"
    )
    for name in done.other:
        warn(f"Left as it is here, not as in the backup: {name}")


def unlock_copy(
    target: Annotated[
        str | None,
        typer.Argument(help="A target whose server has nothing newer than this copy."),
    ] = None,
    reason: Annotated[
        str, typer.Option(help="For a target: how you know; without naming a person.")
    ] = "",
) -> None:
    """End the lock of a restored copy, or the hold of one target's first delivery."""
    project, now = Project.here(), utc_now()
    with state_database(project).transaction() as connection:
        if target is None:
            was_locked = unlock(connection, actor=account(), now=now)
            say(
                "Unlocked. Each target's first delivery is compared with its server first."
                if was_locked
                else "This copy was not locked."
            )
            return
        if not reason.strip():
            raise ConfigurationError(
                "Unlocking a target needs a reason.",
                not_done="Nothing was changed.",
                next_step=f'd118 unlock {target} --reason "..."',
            )
        held = settle(connection, target, actor=account(), now=now, reason=reason)
    say(
        f"The first delivery of {target} may go: d118 run {target}"
        if held
        else f"Nothing was held of {target}."
    )


def _plain(made: Backup) -> dict[str, object]:
    return {
        "file": str(made.path),
        "made_at": made.made_at,
        "version": made.version,
        "schema": made.schema,
        "files": len(made.files),
        "size_bytes": made.size_bytes,
        "left_out": made.left_out,
    }
