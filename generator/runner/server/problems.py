"""Error responses as problem details (RFC 9457): one exception that any function may raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from generator.runner.server.json_responses import JsonResponse

_LONGEST = 2000
"""Characters of a message."""
_MOST_ISSUES = 100


class ProblemError(Exception):
    """An error response. ``detail`` tells the problem and the remedy; ``issues`` lists single ones."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        issues: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        kind: str | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        """``members`` are members of the response besides those of RFC 9457."""
        super().__init__(f"{status}: {detail}")
        self.status, self.detail, self.issues = status, detail, tuple(issues)
        self.headers, self.kind, self.members = dict(headers or {}), kind, dict(members or {})

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase

    def response(self) -> JSONResponse:
        """Return the response (``application/problem+json``)."""
        body: dict[str, Any] = {"type": self.kind or "about:blank", "title": self.title}
        body |= {"status": self.status, "detail": _bounded(self.detail), **self.members}
        if self.issues:
            body["issues"] = [_bounded(issue) for issue in self.issues[:_MOST_ISSUES]]
        return JsonResponse(body, self.status, self.headers, media_type="application/problem+json")


def too_many_requests(what: str, wait: float) -> ProblemError:
    """Return the error of a limit, which another request keeps after ``wait`` seconds."""
    return ProblemError(429, f"{what}; try again later", headers={"Retry-After": str(int(wait) + 1)})


def full_disk_problem() -> ProblemError:
    """Return the error of a request for which the disk has no space left."""
    detail = "the disk of the server is full; try again later, or ask its operator"
    return ProblemError(503, detail, headers={"Retry-After": "60"})


def _bounded(text: str) -> str:
    """Shorten a message that repeats what a client sent."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
