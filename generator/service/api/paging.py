"""Pagination of lists with GitLab's headers (https://docs.gitlab.com/api/rest/#pagination)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import Request

from generator.service.http_errors import raise_bad_parameter

_MOST = 100


@dataclass(frozen=True, slots=True)
class Page:
    """The requested page of a list; numbers start at 1."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        """The number of rows before this page."""
        return (self.number - 1) * self.size

    def headers(self, request: Request, address: str, total: int) -> dict[str, str]:
        """Return the pagination headers, with links that use the client's own address of the service."""
        pages = max(1, -(-total // self.size))
        before = self.number - 1 if 1 < self.number <= pages + 1 else None
        after = self.number + 1 if self.number < pages else None
        found = {"prev": before, "next": after, "first": 1, "last": pages}
        links = [f'<{self._link(request, address, to)}>; rel="{rel}"' for rel, to in found.items() if to]
        return {
            "Link": ", ".join(links),
            "X-Next-Page": str(after or ""),
            "X-Page": str(self.number),
            "X-Per-Page": str(self.size),
            "X-Prev-Page": str(before or ""),
            "X-Total": str(total),
            "X-Total-Pages": str(pages),
        }

    def _link(self, request: Request, address: str, number: int) -> str:
        mine = ("page", "per_page", "private_token", "access_token", "job_token")
        kept = [(name, value) for name, value in request.query_params.multi_items() if name not in mine]
        path = request.scope.get("original_path") or request.url.path
        return f"{address}{path}?{urlencode([*kept, ('page', number), ('per_page', self.size)])}"


def page_of(request: Request) -> Page:
    """Return the page that a request asks for.

    Raises:
        HttpError: 400, ``page`` or ``per_page`` is not a positive number.
    """
    number, size = _number(request, "page", 1), _number(request, "per_page", 20)
    return Page(number=number, size=min(size, _MOST))


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name) or str(default)
    if not text.isdecimal() or len(text) > 9:
        raise_bad_parameter(f"{name} is invalid")
    number = int(text)
    if number < 1:
        raise_bad_parameter(f"{name} does not have a valid value")
    return number
