"""The memory that a session of frames may take."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.frames import memory_limit, open_frames
from d118_pipelines.sources.powerschool.embedded import EmbeddedSource
from d118_pipelines.targets.workbench import Workbench

LIMIT = "SELECT current_setting('memory_limit')"


@pytest.mark.parametrize(
    ("text", "limit"),
    [("", "1200MB"), ("700", "700MB"), ("2gb", "2GB"), (" 900 MB ", "900MB")],
)
def test_the_limit_is_what_the_variable_says(
    text: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("D118_MEMORY", text)

    assert memory_limit() == limit


@pytest.mark.parametrize("text", ["much", "-1GB", "0", "1.5GB", "80%"])
def test_what_is_no_amount_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("D118_MEMORY", text)

    with pytest.raises(ConfigurationError, match="D118_MEMORY"):
        open_frames()


def test_every_session_has_the_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("D118_MEMORY", "512MB")

    with closing(open_frames()) as frames, Workbench({}) as bench:
        found = [
            frames.execute(LIMIT).fetchall(),
            bench.connection.execute(LIMIT).fetchall(),
        ]
    with closing(EmbeddedSource(tmp_path)._connect(str(tmp_path))) as embedded:
        found.append(embedded.execute(LIMIT).fetchall())

    assert found == [[("488.2 MiB",)]] * 3
