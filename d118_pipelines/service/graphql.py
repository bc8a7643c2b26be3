"""Dagster's GraphQL: what a request of others would change, and what we ask ourselves.

Called by the console, which lets mutations pass for administrators alone and starts and
stops runs.
"""

from __future__ import annotations

import json
from typing import Any

from d118_pipelines.config.project import LOCATION
from d118_pipelines.errors import ConfigurationError, FatalError
from d118_pipelines.service.guard import App

DAGSTER = "/dagster"
"""Where Dagster's web server is below the console."""
_MUTATION = "mutation"
_LAUNCH = """mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PipelineNotFoundError { message }
    ... on PythonError { message } } }"""
_STOP = """mutation($id: String!) {
  terminateRun(runId: $id) { __typename
    ... on TerminateRunFailure { message }
    ... on RunNotFoundError { message }
    ... on PythonError { message } } }"""
_RELOAD = """mutation($name: String!) {
  reloadRepositoryLocation(repositoryLocationName: $name) { __typename } }"""
_SELECTOR = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}


def mutations(body: bytes) -> list[tuple[str, str]]:
    """The mutations in a GraphQL request: name, and the job or run that it is about.

    Raises: ValueError if nobody can tell.
    """
    from graphql import GraphQLError, OperationDefinitionNode, parse
    from graphql.language import FieldNode

    try:
        asked = json.loads(body)
        document = parse(asked["query"], max_tokens=20_000)
    except (ValueError, TypeError, KeyError, RecursionError, GraphQLError):
        raise ValueError("This is no GraphQL request.") from None
    found = []
    for node in document.definitions:
        if not isinstance(node, OperationDefinitionNode):
            continue
        if node.operation.value != _MUTATION:
            continue
        names = [
            one.name.value if isinstance(one, FieldNode) else "..."
            for one in node.selection_set.selections
        ]
        subject = _subject(asked.get("variables"))
        found += [(name, subject) for name in names]
    return found


def _subject(variables: Any) -> str:
    """The job, run, schedule or sensor that the variables of a mutation name."""
    wanted = (
        "jobName",
        "pipelineName",
        "runId",
        "runIds",
        "scheduleName",
        "sensorName",
    )
    found: list[str] = []

    def look(value: Any, depth: int) -> None:
        if depth > 6 or not isinstance(value, dict):
            return
        for key, inner in value.items():
            if key in wanted and isinstance(inner, str | list):
                found.append(str(inner)[:80])
            look(inner, depth + 1)

    look(variables, 0)
    return ", ".join(found)[:200]


def has_mutation(text: str) -> bool:
    """Whether a message of a socket starts anything but queries and subscriptions."""
    try:
        message = json.loads(text)
        payload = message.get("payload") if isinstance(message, dict) else None
        if not isinstance(payload, dict) or "query" not in payload:
            return False
        return bool(mutations(json.dumps(payload).encode()))
    except ValueError:
        return True  # nobody can tell


async def launch(dagster: App, job: str) -> str:
    """Launch a job; returns the run's id.

    Raises: ConfigurationError if Dagster does not know the job; FatalError.
    """
    params = {
        "selector": {**_SELECTOR, "jobName": job},
        "runConfigData": {"loggers": {"console": {}}},
    }
    answer = (await ask(dagster, _LAUNCH, params=params))["launchRun"]
    if answer["__typename"] == "LaunchRunSuccess":
        return str(answer["run"]["runId"])
    if answer["__typename"] == "PipelineNotFoundError":
        raise ConfigurationError(
            f"Dagster does not know the job {job} yet.",
            not_done="Nothing was started.",
            next_step="Wait a moment and try again; if it stays so: d118 doctor",
        )
    raise refused(f"Dagster did not launch {job} ({answer['__typename']}).")


async def stop(dagster: App, run_id: str) -> str:
    """Ask a run to stop; what Dagster says of it, nothing if it does. Raises: FatalError."""
    answer = (await ask(dagster, _STOP, id=run_id))["terminateRun"]
    kind = str(answer["__typename"])
    return "" if kind == "TerminateRunSuccess" else kind


async def reload(dagster: App) -> None:
    """Read the project's files again, so that assets and schedules follow them."""
    await ask(dagster, _RELOAD, name=LOCATION)


async def ask(dagster: App, query: str, **variables: Any) -> dict[str, Any]:
    """Dagster's answer to a request, in this process. Raises: FatalError."""
    import httpx

    body = {"query": query, "variables": variables}
    way = httpx.ASGITransport(dagster)
    async with httpx.AsyncClient(transport=way, base_url="http://dagster") as client:
        answer = await client.post(f"{DAGSTER}/graphql", json=body)
    found = answer.json()
    if "errors" in found or not isinstance(found.get("data"), dict):
        raise refused("Dagster did not understand the request.")
    data: dict[str, Any] = found["data"]
    return data


def refused(what: str) -> FatalError:
    """The error of what Dagster did not do."""
    return FatalError(
        what, not_done="Nothing was started or stopped.", next_step="d118 doctor"
    )
