"""An answer, and what its headers say about waiting and about the next page.

Made by `client.py` and `oauth2.py`, read by `sources/clever/` and
`sources/oneroster_rest/`, which know what the rows mean.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from d118_pipelines.kernel.retry import http_date, seconds_asked

if TYPE_CHECKING:
    import httpx

MAX_DEPTH = 64
# Of lists, objects and what is in them: some hundred megabytes of memory at most.
MAX_VALUES = 2_000_000
# Of services only words of the standards are shown: any other text could quote data.
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
        """The body as JSON, within what memory and depth allow.

        Raises: ValueError, whose text says what the answer is instead.
        """
        if sum(map(self.body.count, (b",", b"[", b"{"))) > MAX_VALUES:
            raise ValueError(f"has more than {MAX_VALUES:,} values")
        try:
            value = json.loads(self.body, parse_constant=_number, parse_float=_number)
        except RecursionError:
            value = None
        except ValueError:
            raise ValueError("is not JSON") from None
        else:
            if not _is_deeper(value, MAX_DEPTH):
                return value
        raise ValueError(f"is nested more than {MAX_DEPTH} levels deep")

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
        found = [f"HTTP {self.status}", *sorted(self._known_words())]
        return self._with_request(found)

    def error_code(self, secret: str) -> str:
        """Status, the `error` of a token endpoint as it was sent, and the request.

        What cannot be printed is escaped, the secret never shown; 80 characters at
        most.
        """
        code = self.json_object().get("error")
        if not isinstance(code, str) or not code or (secret and secret in code):
            return self.words()
        shown = code[:80].encode("unicode_escape").decode("ascii")
        return self._with_request([f"HTTP {self.status}", shown])

    def _with_request(self, found: list[str]) -> str:
        request = self.headers.get("x-request-id", "")
        if _REQUEST_ID.fullmatch(request):
            found.append(f"request {request}")
        return ", ".join(found)

    def has_word(self, word: str) -> bool:
        """Whether the error names this word, without case, blanks and underscores."""
        return word in map(_plain, self._known_words())

    def _known_words(self) -> set[str]:
        found = _words_in(self.json_object())
        return {word for word in found if _plain(word) in KNOWN_WORDS}


def _plain(word: str) -> str:
    return re.sub(r"[ _]", "", word.lower())


def _number(text: str) -> float:
    """A number with a point; none that JSON could not write again."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("not a JSON value")
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    level: list[Any] = [[value]]
    for _ in range(levels + 1):
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [i for v in inner for i in v if isinstance(i, dict | list)]
        if not level:
            return False
    return True


def _words_in(value: Any, depth: int = 0) -> set[str]:
    """Words below the keys that hold them; error envelopes are never deep."""
    found: set[str] = set()
    if depth > 5:
        return found
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str) and key.lower() in _WORD_KEYS:
                found.add(inner)
            found |= _words_in(inner, depth + 1)
    elif isinstance(value, list) and len(value) <= 20:
        for inner in value:
            found |= _words_in(inner, depth + 1)
    return found
