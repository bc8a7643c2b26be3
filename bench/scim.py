"""Measure users out: this project's provisioning beside a plain sequential client.

    python -m bench.scim                          300 users, without and with 30 ms
    python -m bench.scim --users 1000 --latency 0

Every way creates the same users at a scim2-server of its own, in a process of its own:
the plain client with one request after the other through scim2-client; ours in bulk,
and with 8 requests at the same time where there is no bulk. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from d118_pipelines.delivery.scim.changes import ScimSettings
from d118_pipelines.delivery.scim.client import provision
from d118_pipelines_tests.support.scim_server import TOKEN, ScimServer
from d118_pipelines_tests.support.scim_users import created, row

CONCURRENCY = 8
Way = Callable[[str, int], None]


def plain(base_url: str, users: int) -> None:
    """Create users one by one, as a script would."""
    import httpx2
    from scim2_client.engines.httpx2 import SyncSCIMClient

    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(base_url=base_url, headers=headers) as http:
        client = SyncSCIMClient(http)
        client.discover()
        model = client.get_resource_model("User")
        assert model is not None
        for change in created(row(number) for number in range(users)):
            client.create(model.model_validate(dict(change.user)))


def ours(base_url: str, users: int, *, use_bulk: bool) -> None:
    """Create users as a delivery does, without its ledger."""
    settings = ScimSettings(base_url, TOKEN, concurrency=CONCURRENCY, use_bulk=use_bulk)
    changes = created(row(number) for number in range(users))
    report = provision(settings, changes, on_outcomes=lambda outcomes: None)
    assert report.counts == {"provisioned": users}


WAYS: dict[str, Way] = {
    "plain client, one by one": plain,
    "ours, bulk": lambda url, users: ours(url, users, use_bulk=True),
    f"ours, {CONCURRENCY} at once": lambda url, users: ours(url, users, use_bulk=False),
}


def seconds(way: Way, users: int, latency: float, folder: Path) -> float:
    """Wall time of one way at a fresh server."""
    with ScimServer(folder / "users.jsonl", latency=latency) as server:
        started = time.perf_counter()
        way(server.url, users)
        taken = time.perf_counter() - started
        assert len(server.users()) == users
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--latency", type=float, nargs="*", default=[0.0, 0.03])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds(plain, 10, 0.0, Path(folder))  # loads the libraries
    print("| users | latency | way | seconds | users/s | plain / this |")
    print("|---|---|---|---|---|---|")
    for latency in given.latency:
        base = 0.0
        for name, way in WAYS.items():
            with tempfile.TemporaryDirectory() as folder:
                taken = seconds(way, given.users, latency, Path(folder))
            base = base or taken
            print(
                f"| {given.users:,} | {latency * 1000:g} ms | {name} | {taken:.2f} | "
                f"{given.users / taken:,.0f} | {base / taken:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
