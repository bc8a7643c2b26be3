"""Encodings, delimiters, quotes, broken rows and sizes of real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.errors import ConfigurationError, IncompleteExtractError
from d118_pipelines.sources.csv_files.source import MAX_FILE_SIZE, CsvSource
from d118_pipelines_tests.sources.csv_files.folders import (
    RULES,
    pulled,
    user,
    users,
    write,
)

TEXT = users(user(first_name="Zoë", last_name="Weiß"))


@pytest.mark.parametrize(
    ("encoding", "name", "is_fallback"),
    [
        ("utf-8", "utf-8", False),
        ("utf-8-sig", "utf-8-sig", False),
        ("utf-16", "utf-16", False),
        ("utf-16-be", "utf-16", False),
        ("cp1252", "cp1252", True),
    ],
)
def test_text_is_right_in_every_encoding(
    tmp_path: Path, encoding: str, name: str, is_fallback: bool
) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    result = pulled(tmp_path, {"users.csv": (mark + TEXT).encode(encoding)})

    [row] = result.rows()
    assert (row["id"], row["first_name"], row["last_name"]) == ("1", "Zoë", "Weiß")
    assert result.told("users.csv")["encoding"] == name
    warned = [("csv.encoding", "warn", None, "")]
    assert result.found() == (warned if is_fallback else [])


def test_bytes_that_cp1252_lacks_are_latin_1(tmp_path: Path) -> None:
    data = TEXT.encode("latin-1").replace(b"Zo", b"Z\x81")

    assert pulled(tmp_path, {"users.csv": data}).told("users.csv")["encoding"] == (
        "latin-1"
    )


def test_case_02_a_row_of_another_encoding_changes_no_other(tmp_path: Path) -> None:
    mixed = users(user("1", first_name="Zoë")).encode() + user(
        "2", first_name="Zoë"
    ).encode("cp1252")

    result = pulled(tmp_path, {"users.csv": mixed})

    assert [row["first_name"] for row in result.rows()] == ["Zoë", "Zoë"]
    assert result.found() == [("csv.encoding", "warn", 3, "")]


def test_configured_encoding_is_no_fallback(tmp_path: Path) -> None:
    files = {"users.csv": TEXT.encode("cp1252")}

    assert pulled(tmp_path, files, encoding="cp1252").findings == []


@pytest.mark.parametrize("detect", [True, False])
def test_without_detection_only_utf_8_is_read(tmp_path: Path, detect: bool) -> None:
    processing = RULES.file_processing.model_copy(update={"encoding_detection": detect})
    rules = RULES.model_copy(update={"file_processing": processing})
    files = {"users.csv": TEXT.encode("cp1252")}

    if detect:
        assert len(pulled(tmp_path, files, rules=rules).rows()) == 1
        return
    with pytest.raises(IncompleteExtractError, match=r"csv\.bad_encoding  users\.csv"):
        pulled(tmp_path, files, rules=rules)


def test_unknown_encoding_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="encoding"):
        CsvSource(Path(), RULES, encoding="utf-99")


def test_byte_order_mark_that_lies_fails_the_pull(tmp_path: Path) -> None:
    with pytest.raises(IncompleteExtractError, match=r"csv\.bad_encoding"):
        pulled(tmp_path, {"users.csv": b"\xff\xfe" + b"odd"})


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiter_is_found_from_the_header(
    tmp_path: Path, delimiter: str, end: str
) -> None:
    text = TEXT.replace(",", delimiter).replace("\n", end)

    result = pulled(tmp_path, {"users.csv": text})

    assert result.rows()[0]["email"] == "ada@school.example"
    assert result.told("users.csv")["delimiter"] == delimiter


def test_blanks_after_the_delimiter_and_empty_rows_are_skipped(tmp_path: Path) -> None:
    text = users("", user("1").replace(",", ",  "), ",,,,,,,,", "   ", user("2"))

    result = pulled(tmp_path, {"users.csv": "\n" + text})

    assert [(row["id"], row["_line"]) for row in result.rows()] == [("1", 4), ("2", 7)]
    assert result.findings == []


def test_quoted_line_end_is_one_row(tmp_path: Path) -> None:
    rows = [user("1", last_name='"Al\r\nder, ""Jr"""'), user("2")]

    result = pulled(tmp_path, {"users.csv": users(*rows)})

    assert [row["last_name"] for row in result.rows()] == ['Al\r\nder, "Jr"', "Alder"]
    assert [row["_line"] for row in result.rows()] == [2, 4]
    assert result.findings == []


@pytest.mark.parametrize(
    ("row", "code", "key"),
    [
        ("2,Ada", "csv.ragged_row", "2"),
        (user("2") + ",more", "csv.ragged_row", "2"),
        (user("2", first_name="A\0da"), "csv.nul_byte", "2"),
        (user("\0"), "csv.nul_byte", None),
        (user("2", first_name='"Ada'), "csv.bad_quotes", "2"),
        (user("2", first_name='"A"da'), "csv.bad_quotes", "2"),
        (user('"2'), "csv.bad_quotes", None),
        (user("2", first_name=f'"{"x" * 140_000}"'), "csv.bad_quotes", "2"),
    ],
    ids=["short", "long", "nul", "nul key", "open", "early", "open key", "huge"],
)
def test_broken_row_costs_only_itself(
    tmp_path: Path, row: str, code: str, key: str | None
) -> None:
    more = [user("3", last_name='"O, K"'), *(user(str(n)) for n in range(4, 300))]
    result = pulled(tmp_path, {"users.csv": users(user("1"), row, *more)})

    kept = [int(row["id"]) for row in result.rows()]
    assert kept == [1, *range(3, 300)]
    [finding] = result.findings
    assert (finding["code"], finding["severity"]) == (code, "reject")
    assert (finding["source_file"], finding["source_line"]) == ("users.csv/users", 3)
    assert finding["external_id"] == key
    assert result.told("users.csv")["rejected"] == 1


def test_id_of_a_ragged_row_counts_only_where_it_cannot_have_moved(
    tmp_path: Path,
) -> None:
    header = "first_name,id,last_name,email,role"
    text = users("Ada, A,1,Alder,ada@school.example,student", header=header)

    [finding] = pulled(tmp_path, {"users.csv": text}).findings

    assert (finding["code"], finding["external_id"]) == ("csv.ragged_row", None)


def test_file_above_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    write(inbox, {"a_users.csv": TEXT})
    with (inbox / "big_users.csv").open("wb") as file:
        file.truncate(1 << 36)  # takes no room, and would take minutes to read

    with pytest.raises(IncompleteExtractError, match=r"csv\.file_too_large  big_users"):
        pulled(tmp_path, {})
    assert list((tmp_path / "raw").glob("*")) == []
    assert MAX_FILE_SIZE == 104_857_600


def test_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    size = len(TEXT.encode())

    assert len(pulled(tmp_path, {"users.csv": TEXT}, max_file_size=size).rows()) == 1
    with pytest.raises(IncompleteExtractError, match="too_large"):
        pulled(tmp_path, {"users.csv": TEXT}, max_file_size=size - 1)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_chunks_do_not_change_the_table(tmp_path: Path, size: int) -> None:
    processing = RULES.file_processing.model_copy(update={"chunk_size": size})
    rules = RULES.model_copy(update={"file_processing": processing})
    text = users(*(user(str(n)) for n in range(7)))

    rows = pulled(tmp_path, {"users.csv": text}, rules=rules).rows()

    assert [row["id"] for row in rows] == [str(n) for n in range(7)]


@pytest.mark.parametrize("end", ["2,Ada,Ald", '2,"Ada', '2,"Ad"a,x'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_file_cut_off_in_the_middle_of_its_last_record_is_refused(
    tmp_path: Path, end: str, encoding: str
) -> None:
    files = {"users.csv": (users(user("1")) + end).encode(encoding)}

    with pytest.raises(IncompleteExtractError, match=r"csv\.cut_off") as caught:
        pulled(tmp_path, files)

    assert caught.value.where == "users.csv, line 3"
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.parametrize("end", [user("2"), ",,", " ", ""])
def test_last_record_without_line_end_is_no_cut(tmp_path: Path, end: str) -> None:
    result = pulled(tmp_path, {"users.csv": users(user("1")) + end})

    assert [row["id"] for row in result.rows()] == ["1", "2"][: 1 + (end > ",,")]
    assert result.findings == []
