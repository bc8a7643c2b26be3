"""What the console asks of Dagster: launch a job, stop a run, read the files again.

Called by the routes, in their threads; it goes through Dagster's GraphQL in this process.
"""

from __future__ import annotations

from typing import Any

from d118_pipelines.config.project import LOCATION
from d118_pipelines.console.front import DAGSTER
from d118_pipelines.console.world import World
from d118_pipelines.errors import ConfigurationError, FatalError
from d118_pipelines.state.leases import ask_to_stop

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


def launch(world: World, job: str, *, account: str, subject: str) -> str:
    """Launch a job; returns the run's id.

    It is in the audit before it begins.
    Raises: ConfigurationError if Dagster does not know the job; FatalError.
    """
    world.record(account, "launch", subject)
    params = {
        "selector": {**_SELECTOR, "jobName": job},
        "runConfigData": {"loggers": {"console": {}}},
    }
    answer = ask(world, _LAUNCH, params=params)["launchRun"]
    if answer["__typename"] == "LaunchRunSuccess":
        return str(answer["run"]["runId"])
    if answer["__typename"] == "PipelineNotFoundError":
        raise ConfigurationError(
            f"Dagster does not know the job {job} yet.",
            not_done="Nothing was started.",
            next_step="Wait a moment and try again; if it stays so: d118 doctor",
        )
    raise _refused(f"Dagster did not launch {job} ({answer['__typename']}).")


def stop(world: World, run_id: str, *, account: str) -> None:
    """Ask a run to stop. Raises: FatalError."""
    world.record(account, "cancel", run_id)
    answer = ask(world, _STOP, id=run_id)["terminateRun"]
    if answer["__typename"] != "TerminateRunSuccess":
        with world.database.transaction() as connection:
            if ask_to_stop(connection, run_id, account):
                return  # a shell started it: it finds the request in its lease
        raise _refused(f"Dagster did not stop the run ({answer['__typename']}).")


def reload(world: World) -> None:
    """Read the project's files again, so that assets and schedules follow them."""
    ask(world, _RELOAD, name=LOCATION)


def ask(world: World, query: str, **variables: Any) -> dict[str, Any]:
    """Dagster's answer to a GraphQL request. Raises: FatalError."""
    import anyio.from_thread

    found: dict[str, Any] = anyio.from_thread.run(_ask, world, query, variables)
    return found


async def _ask(world: World, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    import httpx

    body = {"query": query, "variables": variables}
    way = httpx.ASGITransport(world.dagster)
    async with httpx.AsyncClient(transport=way, base_url="http://dagster") as client:
        answer = await client.post(f"{DAGSTER}/graphql", json=body)
    found = answer.json()
    if "errors" in found or not isinstance(found.get("data"), dict):
        raise _refused("Dagster did not understand the request.")
    data: dict[str, Any] = found["data"]
    return data


def _refused(what: str) -> FatalError:
    return FatalError(
        what, not_done="Nothing was started or stopped.", next_step="d118 doctor"
    )
