"""What can be said about a OneRoster service, and the errors that say it.

Called by `paging.py`, `rest.py` and `classlink.py`; `sources/http/client.py` has codes
of its own. The page docs/reference/oneroster_rest.md has all of them; a test compares.
"""

from __future__ import annotations

from typing import Literal

from d118_pipelines.errors import IncompleteExtractError, SourceError
from d118_pipelines.kernel.finding import Finding

WARNINGS = {
    "no_demographics": "refused or not offered; omitted",
    "unsorted": "the service refuses to sort; without a count absence proves nothing",
    "duplicate_row": "rows whose sourcedId came before; the later one counts",
    "next_repeats": "next links that lead back; all rows were received",
    "next_skips": "next links that jump over rows; they were not followed",
    "foreign_next": "next links that name another host; it was not contacted",
    "paging_ignored": "a page came again after all counted rows; the only page proves no absence",
}

Incomplete = Literal[
    "incomplete", "paging_stuck", "unstable", "too_many_pages", "empty_collection"
]


def warning(word: str, collection: str, count: int = 1) -> Finding:
    """The finding for something that does not end the pull."""
    detail = WARNINGS[word]
    return Finding(f"rest.{word}", "warn", detail=detail, file=collection, count=count)


def incomplete(
    word: Incomplete,
    text: str,
    where: str,
    *,
    rule: str = "",
    next_step: str = "Run it again; if it happens again, ask the operator of the service.",
) -> IncompleteExtractError:
    """The error for a collection that is not proven complete."""
    return IncompleteExtractError(
        f"FAILED rest.{word}  {text}",
        where=where,
        rule=rule,
        not_done="The pull was not stored.",
        next_step=next_step,
    )


def unusable(
    text: str,
    where: str,
    *,
    rule: str,
    word: Literal["bad_payload", "not_found"] = "bad_payload",
) -> SourceError:
    """The error for an answer that is not what the standard promises."""
    return SourceError(
        f"FAILED rest.{word}  {text}",
        where=where,
        rule=rule,
        not_done="The pull was not stored.",
        next_step="Check the provider's addresses, or ask the operator of the service.",
    )
