"""Whatever characters names and addresses have, a parsed cell is the value that was stored.

One export holds many made-up texts, so that an example costs a row and not a run.
Rule: docs/reference/clever_sftp.md, format.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from d118_pipelines_tests.support.examples import examples
from d118_pipelines_tests.targets.clever.small_district import (
    CleverSync,
    District,
    Row,
)

# What every file's cells may hold: anything but surrogates, which no database has.
TEXT = st.text(
    st.characters(exclude_categories=["Cs"])
    | st.sampled_from(list("\",;'\t\n\r\\ N|")),
    min_size=1,
    max_size=12,
).filter(lambda text: "\x00" not in text)
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@pytest.mark.long
@settings(
    max_examples=examples(1, 4),
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(texts=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=60, max_size=60))
def test_a_parsed_cell_is_the_stored_value(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    district = District()
    names = [("first", "last", "street"), *texts]
    for number, (first, last, street) in enumerate(names, start=1):
        columns: Row = {"first_name": f"a{first}", "last_name": f"b{last}"}
        district.add_student(number, **columns, street=street)
        district.add_teacher(number + 5000, **columns, title=street)

    made = CleverSync(folder, district).made()

    students, teachers = made.students(), made.teachers()
    for number, (first, last, street) in enumerate(names, start=1):
        shown = [CONTROLS.sub(" ", text) for text in (f"a{first}", f"b{last}", street)]
        student, teacher = students[str(number)], teachers[str(number + 5000)]
        cells = ("First_name", "Last_name", "Student_Street")
        assert [student[cell] for cell in cells] == shown
        cells = ("First_name", "Last_name", "Title")
        assert [teacher[cell] for cell in cells] == shown
