"""What the demonstration district knows of its students besides the enrollment.

Called by `district.py`: the extension tables of STUDENTS. Who the students are is in
`students.py`. Everything follows from the DCID, so a student keeps it from year to year.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from d118_pipelines.demo.staff import Row

_RACES = "WWWWWBAIM"
_COLUMNS = {
    "u_def_ext_students0": "custom_ethnicity custom_race custom_lep simple_gpa weighted_gpa",
    "s_il_stu_x": "iep lep",
    "s_il_stu_plan504_x": "participant",
    "s_stu_crdc_x": "giftedtalentedprograms_yn",
}


def extension_tables(seed: int, students: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of the extension tables; some students have none."""
    tables: dict[str, list[Row]] = {name: [] for name in _COLUMNS}
    for student in students:
        rng = random.Random(f"{seed}:records:{student['dcid']}")
        values = _values(rng, student)
        for name, columns in _COLUMNS.items():
            if rng.random() < 0.9:
                row = {column: values[column] for column in columns.split()}
                tables[name].append({"studentsdcid": student["dcid"], **row})
    return tables


def _values(rng: random.Random, student: Row) -> Row:
    learns_english = rng.random() < 0.12
    gpa = round(rng.uniform(1.2, 4.0), 4)
    older = student["grade_level"] > 8
    return {
        "custom_ethnicity": rng.choice("NNY"),
        "custom_race": rng.choice(_RACES) if rng.random() < 0.97 else None,
        "custom_lep": "Y" if learns_english else "N",
        "simple_gpa": f"{gpa:.4f}" if older else None,
        "weighted_gpa": f"{min(gpa + 0.25, 5):.4f}" if older else None,
        "iep": int(rng.random() < 0.14),
        "lep": int(learns_english),
        "participant": int(rng.random() < 0.05),
        "giftedtalentedprograms_yn": rng.choice(["Y", "N", "N", "N", None]),
    }
