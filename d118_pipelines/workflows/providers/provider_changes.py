"""Add, change and remove a provider: the file, the audit, the file that was.

Called by `console/` and `cli/providers.py`. How the file is edited is in
`config/provider_edits.py`. Rule: docs/console.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from d118_pipelines.config.crons import cron_of
from d118_pipelines.config.project import Project
from d118_pipelines.config.provider_edits import (
    Entries,
    edit_providers,
    merge_config,
    place_of,
    sent_values,
)
from d118_pipelines.config.providers import (
    TYPE_SYNONYMS,
    TYPES,
    Provider,
)
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.state import audit
from d118_pipelines.state.open import state_database
from d118_pipelines.targets.definition import load_targets

KEPT = "config_history"
_NOT_DONE = "config/providers.yaml is as it was."


def add_provider(
    project: Project,
    *,
    kind: str,
    name: str,
    config: Mapping[str, Any],
    schedule: str | None,
    enabled: bool,
    account: str,
) -> str:
    """Add an entry at the end; its id is made of its name. Returns the id.

    Raises: ConfigurationError if the entry is not sound.
    """
    kind = TYPE_SYNONYMS.get(kind, kind)
    if kind not in TYPES:
        raise ConfigurationError(
            f"unsupported provider type {kind[:40]}",
            rule=f"The types are: {', '.join(TYPES)}.",
            not_done=_NOT_DONE,
        )
    sent = sent_values({"name": name, "schedule": _schedule(schedule), **_one(config)})
    targets = load_targets(project.root, project.district().targets)[0]
    taken = {target.name for target in targets}
    made: list[str] = []

    def change(entries: Entries) -> None:
        ids = {str(e.get("id")) for e in entries if isinstance(e, dict)} | taken
        made.append(_id_of(name, ids))
        entries.append(
            {
                "id": made[0],
                "type": kind,
                "name": sent["name"],
                "enabled": enabled,
                "schedule": sent["schedule"],
                "config": sent["config"],
            }
        )

    _edit(project, change, account, "add provider", made)
    return made[0]


def change_provider(
    project: Project, provider: str, changes: Mapping[str, Any], *, account: str
) -> None:
    """Change single keys of an entry: name, enabled, schedule, config; others stay.

    A new address clears the entry's secrets. Raises: ConfigurationError.
    """
    sent = dict(changes)
    if "schedule" in sent:
        sent["schedule"] = _schedule(sent["schedule"])
    if "config" in sent:
        sent = {**sent, **_one(sent["config"])}
    sent = sent_values(sent)

    def change(entries: Entries) -> None:
        entry = entries[place_of(entries, provider)]
        for key in ("name", "enabled", "schedule"):
            if key in sent:
                entry[key] = sent[key]
        if "config" in sent:
            if not isinstance(entry.get("config"), dict):
                entry["config"] = {}
            merge_config(entry["config"], sent["config"])

    action = f"change provider: {', '.join(sorted(sent))}"
    _edit(project, change, account, action, [provider])


def remove_provider(project: Project, provider: str, *, account: str) -> None:
    """Remove an entry; its history and its rows in the roster stay.

    Raises: ConfigurationError if there is none.
    """

    def change(entries: Entries) -> None:
        del entries[place_of(entries, provider)]

    _edit(project, change, account, "remove provider", [provider])


def _edit(
    project: Project,
    change: Callable[[Entries], None],
    account: str,
    action: str,
    subject: list[str],
) -> None:
    """Edit, keep the old file, tell the audit: hashes only."""
    done = edit_providers(project.root, change, district=project.district().id)
    kept = project.folder(KEPT) / f"providers-{done.before[:12]}.yaml"
    kept.touch(mode=0o600)
    kept.write_bytes(done.old)
    audit.record_alone(
        state_database(project),
        actor=account,
        action=action,
        subject=subject[0],
        before=done.before,
        after=done.after,
    )


def same_source(providers: list[Provider], kind: str, address: str) -> list[Provider]:
    """The providers of a type that read from this address; any, where it is empty."""
    wanted = TYPE_SYNONYMS.get(kind, kind)
    return [
        one
        for one in providers
        if one.model.type == wanted
        and address.rstrip("/") in ("", _address(one).rstrip("/"))
    ]


def _address(provider: Provider) -> str:
    config = provider.model.config
    sftp = getattr(config, "sftp", None)
    return str(getattr(config, "baseUrl", None) or (sftp.host if sftp else "") or "")


def _one(config: Any) -> dict[str, Any]:
    if not isinstance(config, Mapping):
        raise ConfigurationError("config is no object.", not_done=_NOT_DONE)
    return {"config": config}


def _schedule(text: Any) -> str | None:
    """A preset, a cron expression, or nothing. Raises: ConfigurationError."""
    if text in (None, ""):
        return None
    try:
        cron_of(str(text))
    except ValueError as exc:
        raise ConfigurationError(f"schedule: {exc}", not_done=_NOT_DONE) from None
    return str(text)


def _id_of(name: str, taken: set[str]) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40] or "provider"
    plain = plain if plain[0].isalpha() else f"provider_{plain}"
    number, found = 2, plain
    while found in taken:
        found, number = f"{plain}_{number}", number + 1
    return found
