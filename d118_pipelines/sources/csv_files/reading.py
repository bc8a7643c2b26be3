"""How a file is written: its encoding and delimiter, decided once for the whole file.

Called by `opened.py`; the records are read by `delimited/records.py`. Rule:
docs/reference/csv_files.md, reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.sources.delimited.encodings import decodes, marked_encoding
from d118_pipelines.sources.delimited.records import file_chunks
from d118_pipelines.sources.delimited.splitter import Dialect

DELIMITERS = ",;\t|"
# A row of more lines is a quotation mark that was never closed; so is a huge cell.
MOST_LINES_OF_A_ROW = 100
_MOST_CHARS_OF_A_CELL = 131_072


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written; `is_fallback`: it is not in the encoding first thought of."""

    encoding: str
    is_fallback: bool
    delimiter: str

    @property
    def dialect(self) -> Dialect:
        """As people write CSV files, and spreadsheets read them."""
        return Dialect(
            self.delimiter,
            skips_blanks=True,
            has_bare_quotes=True,
            max_lines=MOST_LINES_OF_A_ROW,
            max_cell_chars=_MOST_CHARS_OF_A_CELL,
        )


def find_form(path: Path, *, encoding: str | None, detect: bool) -> Form:
    """Decide encoding and delimiter of a file.

    encoding: the configured one. A byte-order mark goes before it; without either,
    and where `detect` is on, strict UTF-8, then cp1252, then latin-1.
    Raises: IncompleteExtractError (csv.bad_encoding) if no candidate reads it all.
    """
    given = marked_encoding(next(file_chunks(path), b"")) or encoding
    candidates = [given or "utf-8"]
    if detect and not given:
        candidates += ["cp1252", "latin-1"]
    for name in candidates:
        if decodes(file_chunks(path), name):
            return Form(name, name != candidates[0], _find_delimiter(path, name))
    raise IncompleteExtractError(
        f"FAILED csv.bad_encoding  {path.name} is not written in {candidates[0]}.",
        where=path.name,
        rule="one encoding for the whole file",
        not_done="Nothing of this pull was stored.",
        next_step="Save the file as CSV UTF-8 and drop it again.",
    )


def _find_delimiter(path: Path, encoding: str) -> str:
    """The most frequent candidate outside quotes in the first filled line."""
    with path.open(encoding=encoding, newline="") as stream:
        header = next((line for line in stream if line.strip()), "")
    outside = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=outside.count)
