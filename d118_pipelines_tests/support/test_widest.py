"""Every test that the table of short cases names is there."""

from __future__ import annotations

import ast

from d118_pipelines_tests.support.project import REPOSITORY
from d118_pipelines_tests.support.widest import SHORT


def test_the_tests_of_the_table_are_there() -> None:
    missing = []
    for name in SHORT:
        file, _, test = name.partition("::")
        text = (REPOSITORY / "d118_pipelines_tests" / file).read_text("utf-8")
        nodes = ast.walk(ast.parse(text))
        if not any(isinstance(n, ast.FunctionDef) and n.name == test for n in nodes):
            missing.append(name)

    assert missing == []
