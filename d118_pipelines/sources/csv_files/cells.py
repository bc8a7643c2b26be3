"""From the cells of a record to a row of canonical columns, as far as the file decides.

Called by `source.py`: the form of the file's dates, the role and the district that its
rows imply. What a value must be is judged by staging. Rule:
docs/reference/csv_files.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from d118_pipelines.kernel.finding import Findings
from d118_pipelines.sources.csv_files.dates import iso_date, iso_moment
from d118_pipelines.sources.csv_files.recognition import Layout
from d118_pipelines.sources.delimited.splitter import Record

DATE_COLUMNS = {"birth_date", "start_date", "end_date"}
LOST = "unreadable"
_DATED = {
    **dict.fromkeys(DATE_COLUMNS, iso_date),
    **dict.fromkeys(("created_at", "updated_at"), iso_moment),
}
UNREADABLE_ROWS = {
    "bad_quote": "csv.bad_quotes",
    "too_long": "csv.bad_quotes",
    "nul": "csv.nul_byte",
    "ragged": "csv.ragged_row",
}

Row = dict[str, str | None]


@dataclass(slots=True)
class RowReader:
    """Reads the rows of one file; what is wrong with them goes into `findings`.

    file: as findings name it. district: id and name for schools that name none. leads:
    class and lead teacher, of the classes of this pull; filled by classes, read by
    enrollments.
    """

    file: str
    layout: Layout
    date_form: str | None
    findings: Findings = field(default_factory=Findings)
    district: tuple[str, str] | None = None
    leads: set[tuple[str, str]] = field(default_factory=set)

    def row(self, record: Record) -> Row | None:
        """The values by canonical column, trimmed, blank ones null; None: unreadable."""
        if record.problem:
            # What comes first is the id only where no earlier cell can have moved it.
            is_id = self.layout.places.get("id") == 0
            self.findings.add(
                UNREADABLE_ROWS[record.problem],
                "reject",
                self.file,
                line=record.line,
                key=(record.first or "").strip() if is_id else None,
            )
            return None
        places = self.layout.places
        row: Row = {
            name: record.cells[place].strip() or None for name, place in places.items()
        }
        for name in places:
            if name in _DATED:
                self._read_date(row, name, record.line)
        self._add_implied(row)
        return row

    def _read_date(self, row: Row, name: str, line: int) -> None:
        text = row[name]
        if text is None:
            return
        row[name] = _DATED[name](text, self.date_form)
        if row[name] is None:
            self.findings.add(
                *("csv.bad_date", "warn", self.file),
                line=line,
                field=name,
                key=row.get("id"),
            )
            if (self.layout.collection, name) == ("enrollments", "end_date"):
                row[name] = LOST  # blank would mean for ever; staging rejects the row

    def _add_implied(self, row: Row) -> None:
        if self.layout.implied_role and not row.get("role"):
            row["role"] = self.layout.implied_role
        match self.layout.collection:
            case "schools" if self.district and not row.get("district_id"):
                row["district_id"], row["district_name"] = self.district
            case "classes" if row.get("teacher_id"):
                self.leads.add((str(row["id"]), str(row["teacher_id"])))
            case "enrollments" if self._is_lead(row):
                row["is_primary"] = row.get("is_primary") or "true"

    def _is_lead(self, row: Row) -> bool:
        person = (str(row.get("class_id")), str(row.get("user_id")))
        return str(row.get("role")).lower() == "teacher" and person in self.leads
