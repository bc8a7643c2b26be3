"""A row whose columns are named by SCIM attribute paths, as a SCIM user.

Called by `workflows/targets/scim.py`; requests with these bodies are made by
`service.py`. Rule: docs/reference/scim.md, columns; RFC 7643.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from d118_pipelines.errors import ConfigurationError

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
PLAIN = (
    "externalId userName displayName nickName title userType profileUrl "
    "preferredLanguage locale timezone active"
)
PARTS = {
    "name": "formatted familyName givenName middleName honorificPrefix honorificSuffix",
    "emails": "work home other",
    "phoneNumbers": "work home mobile fax pager other",
    "enterprise": "employeeNumber costCenter organization division department",
}
LISTS = ("emails", "phoneNumbers")

Row = Mapping[str, str | None]


def check_columns(columns: Collection[str]) -> None:
    """Refuse columns that name no attribute of a user.

    Raises: ConfigurationError.
    """
    unknown = sorted(name for name in columns if not _is_known(name))
    missing = sorted({"externalId", "userName", "active"} - set(columns))
    if unknown or missing:
        raise ConfigurationError(
            "FAILED scim.columns  The columns are not those of a SCIM user.",
            where=", ".join([*unknown, *(f"{name} is missing" for name in missing)]),
            rule="SCIM attribute paths as docs/reference/scim.md lists them",
            not_done="Nothing was sent.",
            next_step="Correct the columns of the target.",
        )


def user_resource(row: Row) -> dict[str, Any]:
    """The SCIM body of one row: schemas, booleans, lists, Enterprise User extension.

    Columns without a value are left out; the first e-mail address is the primary one.
    """
    body: dict[str, Any] = {"schemas": [USER]}
    for column, value in row.items():
        if not value:
            continue
        attribute, _, part = column.partition(".")
        if column == "active":
            body[column] = value.lower() == "true"
        elif attribute in LISTS:
            entries = body.setdefault(attribute, [])
            entries.append({"value": value, "type": part, "primary": not entries})
        elif part:
            name = ENTERPRISE if attribute == "enterprise" else attribute
            body.setdefault(name, {})[part] = value
        else:
            body[column] = value
    if ENTERPRISE in body:
        body["schemas"].append(ENTERPRISE)
    return body


def removed_paths(before: Row, after: Row) -> tuple[str, ...]:
    """SCIM paths of the attributes that had a value before and have none now."""
    then, now = user_resource(before), user_resource(after)
    paths = []
    for attribute, value in then.items():
        separator = ":" if attribute == ENTERPRISE else "."
        if attribute not in now:
            paths.append(attribute)
        elif isinstance(value, dict):
            gone = value.keys() - now[attribute].keys()
            paths += [f"{attribute}{separator}{part}" for part in sorted(gone)]
    return tuple(paths)


def user_path(scim_id: str) -> str:
    """The path of one user below the base URL."""
    return f"/Users/{quote(scim_id, safe='')}"


def patch(user: Mapping[str, Any], removed: Sequence[str] = ()) -> dict[str, Any]:
    """The PATCH body that gives the user these attributes and takes some away."""
    values = {name: value for name, value in user.items() if name != "schemas"}
    operations: list[dict[str, Any]] = [{"op": "replace", "value": values}]
    operations += [{"op": "remove", "path": path} for path in removed]
    return {"schemas": [PATCH], "Operations": operations}


def inactive_patch() -> dict[str, Any]:
    """The PATCH body that deactivates a user."""
    operation = {"op": "replace", "path": "active", "value": False}
    return {"schemas": [PATCH], "Operations": [operation]}


def _is_known(column: str) -> bool:
    attribute, _, part = column.partition(".")
    return column in PLAIN.split() or part in PARTS.get(attribute, "").split()
