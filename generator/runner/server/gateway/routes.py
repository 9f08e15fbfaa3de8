"""Which endpoint answers a request: its path, with ``:name`` for any segment."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from generator.runner.server.gateway.annotations import Endpoint
from generator.shared.failures import BadInputsError

_PARAMETER = re.compile(r":([^/\s]*)")
_PATTERN = re.compile(r"[\\^$*+?{}\[\]()|]")
"""Characters that make a path a regular expression, as which the Kernel Gateway takes every path."""


class UndecodableError(ValueError):
    """A part of a path is not text in UTF-8."""


@dataclass(frozen=True, slots=True)
class Route:
    """A path and the endpoints at it, by verb; ``owner`` is the index of their notebook."""

    path: str
    pattern: re.Pattern[str]
    owner: int
    endpoints: dict[str, Endpoint] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """The route of a request, and the values of its path's parameters."""

    route: Route
    values: Mapping[str, str]


class Routes:
    """The routes of all notebooks, paths without parameters first, then those whose first parameter comes last."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, int], Route] = {}
        self._sorted: list[Route] = []

    def add(self, owner: int, prefix: str, endpoints: Iterable[Endpoint]) -> None:
        """Add the endpoints of a notebook below a prefix.

        Raises:
            BadInputsError: a path is not valid, or another notebook has it.
        """
        for endpoint in endpoints:
            path = prefix + endpoint.path
            others = [one for one in self._routes.values() if one.path == path and one.owner != owner]
            if any(endpoint.verb in one.endpoints for one in others):
                raise BadInputsError(
                    f"{endpoint.verb} {path}: two notebooks have it; serve one of them below a prefix, as in "
                    "'packmill-runner gateway a.ipynb /v2=b.ipynb'"
                )
            route = self._routes.get((path, owner))
            if route is None:
                route = self._routes[path, owner] = Route(path, compile_path(path), owner)
            route.endpoints[endpoint.verb] = endpoint
        self._sorted = sorted(self._routes.values(), key=lambda one: _first_parameter(one.path), reverse=True)

    def all(self) -> list[Route]:
        """Return the routes in the order in which they are tried."""
        return list(self._sorted)

    def find(self, path: str, verb: str) -> Match | None:
        """Return the first route that matches a path as it was sent; one with the verb before one without.

        Raises:
            UndecodableError: a segment is not text in UTF-8.
        """
        first = None
        for route in self._sorted:
            found = route.pattern.fullmatch(path)
            if found is None:
                continue
            match = Match(route, {name: _decode(value or "") for name, value in found.groupdict().items()})
            if verb in route.endpoints:
                return match
            first = first or match
        return first


def compile_path(path: str) -> re.Pattern[str]:
    """Return the pattern of an annotation's path.

    Raises:
        BadInputsError: a parameter's name cannot be one, or the path is not a valid regular expression.
    """
    is_pattern = bool(_PATTERN.search(_PARAMETER.sub("", path)))
    parts, end = [], 0
    for found in _PARAMETER.finditer(path):
        if not found[1].isidentifier():
            raise BadInputsError(f"{path}: {found[0]!r} is not a valid parameter; write for instance :name")
        between = path[end : found.start()]
        parts += [between if is_pattern else re.escape(between), f"(?P<{found[1]}>[^/]+)"]
        end = found.end()
    parts.append(path[end:] if is_pattern else re.escape(path[end:]))
    try:
        return re.compile("".join(parts))
    except re.error as error:
        raise BadInputsError(f"{path}: the path is not valid: {error}") from None


def parameters_of(path: str) -> tuple[str, ...]:
    """Return the names of a path's parameters."""
    return tuple(_PARAMETER.findall(path))


def _first_parameter(path: str) -> int:
    """Return the number of segments before the first parameter."""
    place = path.find(":")
    return sys.maxsize if place < 0 else path.count("/", 0, place)


def _decode(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise UndecodableError(f"{segment!r} is not text in UTF-8") from None
