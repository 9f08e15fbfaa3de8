"""The bodies of requests that run a notebook."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from generator.runner.server.problems import ProblemError
from generator.runner.server.values.strict_json import read_json_object
from generator.shared.suggestions import did_you_mean

_EXECUTE = ("username", "notebook_name", "parameters", "time_limit")
_RUN_NOTEBOOK = ("username", "input_path", "output_path", "params", "time_limit")
_LONGEST_TIME = 1e9
_LONGEST_TEXT = 4096
"""Characters of a path on Linux (PATH_MAX)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HomeRequest:
    """A request to run a notebook."""

    notebook: str
    """A name or a path."""
    values: Mapping[str, Any]
    username: str | None = None
    output_path: str | None = None
    time_limit: float | None = None
    """In seconds."""


def read_execute(data: bytes) -> HomeRequest:
    """Read the body of ``/execute``.

    Raises:
        ProblemError: 400, the body does not fit.
    """
    body = _read(data, _EXECUTE)
    return _request(body, notebook="notebook_name", values="parameters")


def read_run_notebook(data: bytes) -> HomeRequest:
    """Read the body of ``/run-notebook``.

    Raises:
        ProblemError: 400, the body does not fit.
    """
    body = _read(data, _RUN_NOTEBOOK)
    return _request(body, notebook="input_path", values="params")


def _request(body: Mapping[str, Any], *, notebook: str, values: str) -> HomeRequest:
    name = _text(body, notebook)
    if not name:
        raise ProblemError(400, f"'{notebook}' is missing: a notebook, as GET /list-notebooks lists it")
    given = body.get(values)
    if given is not None and not isinstance(given, dict):
        raise ProblemError(400, f"'{values}' is not an object with a value for each parameter")
    return HomeRequest(
        notebook=name,
        values=given or {},
        username=_text(body, "username"),
        output_path=_text(body, "output_path") or None,
        time_limit=_time_limit(body.get("time_limit")),
    )


def _read(data: bytes, names: Collection[str]) -> dict[str, Any]:
    body = read_json_object(data)
    unknown = [f"{name!r} is unknown{did_you_mean(name, names)}" for name in body if name not in names]
    if unknown:
        raise ProblemError(400, f"the body may have {', '.join(names)}", issues=unknown)
    return body


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise ProblemError(400, f"'{name}' is not a text")
    if value and len(value) > _LONGEST_TEXT:
        raise ProblemError(400, f"'{name}' has more than {_LONGEST_TEXT} characters")
    return value


def _time_limit(value: Any) -> float | None:
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value <= _LONGEST_TIME:
        raise ProblemError(400, f"'time_limit' is not a number of seconds from 0 to {_LONGEST_TIME:g}")
    return float(value)
