"""deploy/kubernetes: what must hold for sign-in and guard. Neither chart nor cluster is here."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import yaml

from d118_pipelines.config.project import MODULE
from d118_pipelines.service.guard import LOOPBACK_NAMES, Request, refusal
from d118_pipelines_tests.support.project import REPOSITORY

FOLDER = REPOSITORY / "deploy/kubernetes"
VALUES: dict[str, Any] = yaml.safe_load((FOLDER / "values.yaml").read_text())


def test_nothing_is_published_and_viewers_have_a_server_of_their_own() -> None:
    web = VALUES["dagsterWebserver"]

    assert VALUES["ingress"] == {"enabled": False}
    assert web["service"]["type"] == "ClusterIP"
    assert web["enableReadOnly"] is True


def test_the_guard_answers_the_probes() -> None:
    web = VALUES["dagsterWebserver"]
    for name in ("readinessProbe", "livenessProbe"):
        asked = web[name]["httpGet"]
        [header] = asked["httpHeaders"]
        assert asked["port"] == web["service"]["port"]
        assert header["name"] == "Host"
        probe = Request("http", "GET", asked["path"], "", {"host": (header["value"],)})
        assert refusal(probe, LOOPBACK_NAMES) is None


def test_runs_have_the_volumes_of_the_code_server_and_one_image() -> None:
    [code] = VALUES["dagster-user-deployments"]["deployments"]
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]

    assert code["dagsterApiGrpcArgs"] == ["-m", MODULE]
    assert launcher["volumeMounts"] == code["volumeMounts"]
    assert launcher["envSecrets"] == code["envSecrets"]
    parts = (VALUES["dagsterWebserver"], VALUES["dagsterDaemon"], code)
    assert len({str(part["image"]) for part in parts}) == 1
    assert code["image"]["tag"] not in ("", "latest")


def test_the_page_names_the_chart_of_the_locked_dagster() -> None:
    assert f"--version {version('dagster')}" in (FOLDER / "README.md").read_text()
