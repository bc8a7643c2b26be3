"""What JSON routes take and give that both sets of routes share.

Called by `provider_routes.py` and `job_routes.py`. The words are those of the two older
services whose callers these routes serve: docs/console.md.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from d118_pipelines.kernel.text import clean_text

LARGEST_PAGE = 500
Offset = Annotated[int, Query(ge=0, le=10**9)]


def _clean(text: str) -> str:
    if clean_text(text) != text:
        raise ValueError("a character that no text has")
    return text


Word = Annotated[str, Field(max_length=300), AfterValidator(_clean)]


class Body(BaseModel):
    """Base of all bodies; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """An error, as RFC 9457 has it. title: what happened."""

    type: str
    title: str
    status: int
    detail: str = ""
    where: str = ""
    rule: str = ""
    not_done: str = ""
    next_step: str = ""


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        401: "No session and no token",
        403: "The role or the token's scope only reads",
        404: "There is no such thing",
        409: "Another run is at work, or it is paused",
        422: "The request or the configuration is wrong",
        502: "Another system refused",
        503: "Another system does not answer",
    }.items()
}
