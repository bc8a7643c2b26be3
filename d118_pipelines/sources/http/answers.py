"""An answer, and what its headers say about waiting and about the next page.

Made by `client.py` and `oauth2.py`, read by `sources/clever/` and
`sources/oneroster_rest/`, which know what the rows mean.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from d118_pipelines.kernel.retry import http_date, seconds_asked

if TYPE_CHECKING:
    import httpx

# Only words of the standards are ever shown: any other text could quote data.
KNOWN_WORDS = {
    "invalidfilterfield",
    "invalidselectionfield",
    "invalidsortfield",
    "invaliddata",
    "unauthorisedrequest",
    "forbidden",
    "serverbusy",
    "unknownobject",
    "internalservererror",
    "deletefailure",
    "unsupported",
    "invalidrequest",
    "invalidclient",
    "invalidgrant",
    "invalidscope",
    "unauthorizedclient",
    "unsupportedgranttype",
}
_WORD_KEYS = {"imsx_codeminor", "imsx_codeminorfieldvalue", "error"}
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_LINK = re.compile(r"<([^>]*)>([^<]*)")
_RELATION = re.compile(r";\s*rel\s*=\s*\"?([^\";,]*)", re.IGNORECASE)
# One half of a surrogate pair can be escaped in JSON but not be written as UTF-8.
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `url` is the address asked; `headers` ignore case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, response: httpx.Response) -> Answer:
        """What one response says that was read to its end."""
        status, headers = response.status_code, response.headers
        return cls(str(response.request.url), status, headers, response.content)

    def json(self) -> Any:
        """The body as JSON, fit to be written again. Raises: ValueError if it is none."""
        try:
            value = json.loads(self.body, parse_constant=_refuse)
            if not _HALF_CHARACTER.search(self.body):
                return value
            text = json.dumps(value, ensure_ascii=False)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        return json.loads(text.encode("utf-8", "replace"))

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object; an empty one if it is anything else."""
        try:
            value = self.json()
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def link(self, relation: str) -> str | None:
        """The address that the `Link` header gives for this relation, unchanged."""
        for url, parameters in _LINK.findall(self.headers.get("link", "")):
            found = _RELATION.search(parameters)
            if found and relation in found[1].lower().split():
                return str(url)
        return None

    def wait_asked(self, now: dt.datetime) -> float | None:
        """Seconds that the server asks to wait, None if it does not say."""
        asked = seconds_asked(self.headers.get("retry-after"), now)
        return self.reset(now) if asked is None else asked

    def reset(self, now: dt.datetime) -> float | None:
        """Seconds until the server counts again, None if it does not say."""
        for name in ("ratelimit-reset", "x-ratelimit-reset"):
            seconds = seconds_asked(self.headers.get(name), now)
            if seconds is not None:
                return seconds
        return None

    @property
    def is_used_up(self) -> bool:
        """Whether the server says that it would refuse the next request."""
        names = ("ratelimit-remaining", "x-ratelimit-remaining")
        return any(self.headers.get(name, "").strip() == "0" for name in names)

    def clock_differs(self, now: dt.datetime) -> float:
        """Seconds between the server's clock and `now`; 0 if it does not say."""
        at = http_date(self.headers.get("date", ""))
        return 0.0 if at is None else abs((at - now).total_seconds())

    def words(self) -> str:
        """Status, known words of the error and the request's identifier."""
        found = [f"HTTP {self.status}", *sorted(_known_words(self.body))]
        request = self.headers.get("x-request-id", "")
        if _REQUEST_ID.fullmatch(request):
            found.append(f"request {request}")
        return ", ".join(found)

    def has_word(self, word: str) -> bool:
        """Whether the error names this word, without case, blanks and underscores."""
        return word in _known_words(self.body)


def _refuse(constant: str) -> Any:
    raise ValueError("not a JSON value")


def _known_words(body: bytes) -> set[str]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return set()
    return {word for word in _words_in(value) if word in KNOWN_WORDS}


def _words_in(value: Any, depth: int = 0) -> set[str]:
    """Words below the keys that hold them; error envelopes are never deep."""
    found: set[str] = set()
    if depth > 5:
        return found
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str) and key.lower() in _WORD_KEYS:
                found.add(re.sub(r"[\s_]+", "", inner.lower()))
            found |= _words_in(inner, depth + 1)
    elif isinstance(value, list) and len(value) <= 20:
        for inner in value:
            found |= _words_in(inner, depth + 1)
    return found
