"""A platform's response, and its message about a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from generator.shared.safe_text import printable, redacted

_NAMES = ("title", "detail", "description", "message", "error")
"""The members with texts for people: of ``application/problem+json`` (RFC 9457), and of other formats in use."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A response: ``location`` is its header ``Location`` as an absolute address, or empty; ``wait`` in seconds."""

    status: int
    location: str = ""
    content: bytes = b""
    wait: float = 0.0

    @property
    def json(self) -> Any:
        """The JSON value of the response; None if it has none."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None

    @property
    def problem(self) -> str:
        """The platform's message about a failure, in one line; empty if it is a page for browsers."""
        found = self.json
        if isinstance(found, dict):
            texts = [text for name in _NAMES for text in _texts(found.get(name))]
        else:
            texts = [] if self.content.lstrip()[:1] == b"<" else [self.content[:4096].decode(errors="replace")]
        words = dict.fromkeys(" ".join(printable(text).split()) for text in texts)
        return redacted(": ".join(filter(None, words)))


def _texts(value: Any) -> Iterator[str]:
    """Yield the text of a member, or those of FastAPI's list of invalid values, each with its place in the body."""
    if isinstance(value, str):
        yield value
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict) and isinstance(one.get("msg"), str):
            place = one.get("loc")
            yield f"{'/'.join(map(str, place))}: {one['msg']}" if isinstance(place, list) else one["msg"]
