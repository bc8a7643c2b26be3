"""A service provider as the rest of this room sees it: users in, identifiers out.

Called by `client.py`, `one_user.py` and `bulk.py`; scim2-client and scim2-models are
used here only, requests go through `transport.py`. Rule: docs/reference/scim.md; RFC
7644.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from d118_pipelines.delivery.scim.changes import ScimSettings
from d118_pipelines.delivery.scim.resource import (
    ENTERPRISE,
    USER,
    inactive_patch,
    patch,
    user_path,
)
from d118_pipelines.delivery.scim.transport import (
    NOT_SENT,
    PatientClient,
    RefusedError,
)
from d118_pipelines.errors import (
    AuthenticationError,
    ConfigurationError,
    D118Error,
    DestinationError,
    UnavailableError,
)

if TYPE_CHECKING:
    from scim2_client.engines.httpx2 import SyncSCIMClient

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
UNREADABLE = 502  # an answer that is no answer, as from a broken gateway

Json = Mapping[str, Any]


class InvalidUserError(Exception):
    """A body that is not a SCIM user; only this room sees it. Its text names attributes."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the provider says that it supports. bulk_operations 0: no bulk."""

    patch: bool
    filter: bool
    enterprise: bool
    bulk_operations: int
    bulk_bytes: int


class ScimService:
    """Users of one service provider. Safe for threads.

    Raises, from every method: RefusedError (this one request), AuthenticationError,
    DestinationError, ConnectionLostError, TimeLimitError (all of them).
    """

    def __init__(self, settings: ScimSettings) -> None:
        try:
            from scim2_models import EnterpriseUser, User

            self._model = User[EnterpriseUser]
            self._http = PatientClient(settings)
            self._scim = _client(self._http, self._model)
        except ModuleNotFoundError as exc:
            raise _not_installed(exc) from None
        self.deletes = settings.deactivate == "delete"
        try:
            self.can = self._abilities()
        except D118Error:
            self.close()
            raise

    @property
    def requests(self) -> int:
        """Requests so far, repetitions included."""
        return self._http.requests

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def create(self, user: Json) -> str:
        """Create the user; its id."""
        answer = self._read(
            self._scim.create, target=self._body(user), url="/Users", **_AS_IT_IS
        )
        found = answer.get("id")
        if not (isinstance(found, str) and found):
            raise RefusedError(UNREADABLE)
        return found

    def update(self, scim_id: str, user: Json, removed: Sequence[str] = ()) -> None:
        """Give the user these attributes, by PATCH if the provider has it, else PUT."""
        method, body = self.update_operation(scim_id, user, removed)
        self._send(method, user_path(scim_id), body)

    def deactivate(self, scim_id: str, user: Json) -> None:
        """Set active=false, or delete the user where the settings say so."""
        method, body = self.deactivate_operation(scim_id, user)
        self._send(method, user_path(scim_id), body)

    def update_operation(
        self, scim_id: str, user: Json, removed: Sequence[str] = ()
    ) -> tuple[str, Json]:
        """Method and body of an update."""
        body = self._body(user)
        if not self.can.patch:
            return "PUT", {**body, "id": scim_id}
        if not self.can.enterprise:
            removed = [path for path in removed if not path.startswith(ENTERPRISE)]
        return "PATCH", patch(body, removed)

    def deactivate_operation(self, scim_id: str, user: Json) -> tuple[str, Json | None]:
        """Method and body of a deactivation."""
        if self.deletes:
            return "DELETE", None
        if self.can.patch:
            return "PATCH", inactive_patch()
        return "PUT", {**self._body(user), "id": scim_id, "active": False}

    def create_operation(self, user: Json) -> tuple[str, Json]:
        """Method and body of a creation."""
        return "POST", self._body(user)

    def find(self, attribute: str, value: str) -> list[Json]:
        """Users whose attribute equals the value; quotes and backslashes are escaped."""
        if not self.can.filter:
            return []
        answer = self._read(
            self._scim.query,
            self._model,
            query_parameters={"filter": f"{attribute} eq {json.dumps(value)}"},
            check_request_payload=False,
        )
        found = answer.get("Resources") or []
        return [user for user in found if isinstance(user, dict)]

    def bulk(self, operations: Sequence[Json]) -> list[Json]:
        """What became of the operations of one bulk request; the order may differ."""
        request = {"schemas": [BULK], "Operations": list(operations)}
        answer = self._read(self._scim.bulk, request, **_AS_IT_IS)
        found = answer.get("Operations") or []
        return [operation for operation in found if isinstance(operation, dict)]

    def _send(self, method: str, path: str, body: Json | None) -> None:
        """Change one user; what the answer says beside its status is not needed."""
        self._scim.request(method, path, **({"json": body} if body else {}))

    def _read(self, call: Any, *args: Any, **options: Any) -> Json:
        """The JSON object of a successful answer."""
        from scim2_client import SCIMClientException

        try:
            answer = call(*args, **options)
        except SCIMClientException:
            raise RefusedError(UNREADABLE) from None
        return answer if isinstance(answer, dict) else {}

    def _body(self, user: Json) -> dict[str, Any]:
        """The user as the library checks and writes it. Raises: InvalidUserError."""
        from pydantic import ValidationError
        from scim2_models import Context

        if not self.can.enterprise:
            user = {name: value for name, value in user.items() if name != ENTERPRISE}
            user["schemas"] = [USER]
        try:
            model = self._model.model_validate(user)
        except ValidationError as exc:
            # Its own text quotes the values.
            errors = exc.errors(include_input=False, include_context=False)
            names = sorted({str(error["loc"][0]) for error in errors if error["loc"]})
            raise InvalidUserError(
                f"not a valid SCIM user: {', '.join(names)}"
            ) from None
        return model.model_dump(scim_ctx=Context.RESOURCE_CREATION_REQUEST)

    def _abilities(self) -> Abilities:
        from scim2_models import ResourceType, ServiceProviderConfig

        try:
            config = self._read(self._scim.query, ServiceProviderConfig)
        except RefusedError as refused:
            raise _no_service(refused) from None
        if not isinstance(config.get("patch"), dict):
            raise _no_service(RefusedError(UNREADABLE))
        try:
            types = self._read(self._scim.query, ResourceType).get("Resources") or []
        except RefusedError:
            types = []  # optional in practice; the extension is then tried
        return Abilities(
            patch=_supports(config, "patch"),
            filter=_supports(config, "filter"),
            enterprise=not types or ENTERPRISE in json.dumps(types),
            bulk_operations=_limit(config, "maxOperations"),
            bulk_bytes=_limit(config, "maxPayloadSize"),
        )


_AS_IT_IS = {"check_request_payload": False}


def _client(http: PatientClient, model: Any) -> SyncSCIMClient:
    """The library's client, asking through `http`; models do not check the answers."""
    from scim2_client.engines.httpx2 import SyncSCIMClient
    from scim2_models import EnterpriseUser, ResourceType, ScimProvider, User

    class Client(SyncSCIMClient):
        def request(self, method: str, url: str, **options: Any) -> Any:
            return http.request(method, url, **options)

    return Client(
        http.client,
        provider=ScimProvider(
            models=[User, EnterpriseUser],
            resource_types=[ResourceType.from_resource(model)],
        ),
        check_response_payload=False,
        check_response_content_type=False,
        check_response_status_codes=False,
    )


def id_in(location: object) -> str | None:
    """The id at the end of a user's address."""
    if not isinstance(location, str) or "/" not in location:
        return None
    return unquote(location.rstrip("/").rsplit("/", 1)[1]) or None


def _supports(config: Json, name: str) -> bool:
    entry = config.get(name)
    return isinstance(entry, dict) and entry.get("supported") is True


def _limit(config: Json, name: str) -> int:
    """A limit of bulk requests; 0 where the provider has no bulk or does not say."""
    limit = config["bulk"].get(name) if _supports(config, "bulk") else 0
    return limit if isinstance(limit, int) else 0


def _not_installed(exc: ModuleNotFoundError) -> ConfigurationError:
    return ConfigurationError(
        f"FAILED scim.not_installed  SCIM needs a library: {exc.name}.",
        rule="It comes with the extra scim of this package.",
        not_done="Nothing was contacted.",
        next_step="Install it: pip install '.[scim]'",
    )


def _no_service(refused: RefusedError) -> D118Error:
    kind: type[D118Error] = DestinationError
    if refused.status == 403:
        kind = AuthenticationError
    elif refused.may_pass and refused.status != UNREADABLE:
        kind = UnavailableError
    return kind(
        "FAILED scim.service  The address does not answer as a SCIM service "
        f"({refused}).",
        where="/ServiceProviderConfig",
        rule="RFC 7644 section 4: the service says what it supports",
        not_done=NOT_SENT,
        next_step="Check the base URL (its version included) and the token.",
    )
