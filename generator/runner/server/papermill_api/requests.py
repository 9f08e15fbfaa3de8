"""The forms of a request to run a notebook: a path or a query argument, and values in the query or in a JSON body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fastapi import Request

from generator.notebook.text_formats import is_notebook_name
from generator.runner.server.problems import ProblemError
from generator.runner.server.values.bodies import parse_body, read_bytes
from generator.runner.server.values.strict_json import read_json_object

Location = Literal["s3", "local"]
own_names = ("notebook", "location", "template", "outputNotebookPath", "returnNotebook")
"""The API's own query arguments; all others are parameters of the notebook."""
_BODY_NAMES = ("parameters", "template", "outputNotebookPath", "returnNotebook")
_TRUE = ("y", "yes", "t", "true", "on", "1")
_FALSE = ("n", "no", "f", "false", "off", "0")
_TRAILING_COMMA = re.compile(rb'("(?:[^"\\]|\\.)*"?)|,(?=\s*[}\]])', re.DOTALL)
"""A string without an end is matched, too: its end would be searched for again from each escaped quote in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRequest:
    """A request to run a notebook."""

    notebook: str
    """With its ending."""
    location: Location | None = None
    """None if the path tells it."""
    texts: tuple[tuple[str, str], ...] = ()
    """Values in the query, in order."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Values in the body."""
    template: str | None = None
    template_args: Mapping[str, Any] = field(default_factory=dict)
    output_path: str | None = None
    return_notebook: bool = False


def read_get(request: Request, path: str) -> RunRequest:
    """Read a GET request.

    Raises:
        ProblemError: 400, an argument does not fit.
    """
    query = _Query(request)
    return _checked(
        RunRequest(
            notebook=_notebook(path or query.one("notebook")),
            location=_location(query.one("location"), optional=bool(path)),
            texts=query.pairs,
            template=query.one("template") or None,
            output_path=query.one("outputNotebookPath") or None,
            return_notebook=read_boolean("returnNotebook", query.one("returnNotebook")),
        )
    )


async def read_post(request: Request, path: str, *, largest: int) -> RunRequest:
    """Read a POST request, whose body is JSON regardless of its media type, of at most ``largest`` bytes.

    Raises:
        ProblemError: 400, an argument or the body does not fit; 413, the body is too large.
    """
    query = _Query(request)
    body = await parse_body(read_body, await read_bytes(request, largest, advice=""), _BODY_NAMES)
    unknown = [name for name, _ in query.pairs if name not in own_names]
    if unknown:
        raise ProblemError(400, f"{unknown[0]!r}: write parameters into the body, as {{'parameters': {{…}}}}")
    values = body.get("parameters") or {}
    if not isinstance(values, dict):
        raise ProblemError(400, "'parameters' is not an object with a value for each parameter")
    template, args = _template(body.get("template", query.one("template")))
    output_path = body.get("outputNotebookPath", query.one("outputNotebookPath"))
    if output_path is not None and not isinstance(output_path, str):
        raise ProblemError(400, "'outputNotebookPath' is not a text")
    return _checked(
        RunRequest(
            notebook=_notebook(path or query.one("notebook")),
            location=_location(query.one("location"), optional=bool(path)),
            values=values,
            template=template,
            template_args=args,
            output_path=output_path or None,
            return_notebook=read_boolean("returnNotebook", body.get("returnNotebook", query.one("returnNotebook"))),
        )
    )


def read_body(data: bytes, names: tuple[str, ...]) -> dict[str, Any]:
    """Read a JSON object with these names; commas before a closing bracket, as the README's example has, are ignored.

    Raises:
        ProblemError: 400, the body is not such an object.
    """
    body = read_json_object(_TRAILING_COMMA.sub(lambda match: match[1] or b"", data))
    unknown = [name for name in body if name not in names]
    if unknown:
        raise ProblemError(400, f"{unknown[0]!r} is not a name of the body; it may have {', '.join(names)}")
    return body


def read_boolean(name: str, value: Any) -> bool:
    """Read a boolean, or a text that stands for one (Python's strtobool).

    Raises:
        ProblemError: 400, the value is neither.
    """
    if isinstance(value, bool):
        return value
    text = value.lower() if isinstance(value, str) else value
    if text in (None, "", *_FALSE):
        return False
    if text in _TRUE:
        return True
    raise ProblemError(400, f"{name}: {value!r} is not a boolean; write true or false")


class _Query:
    def __init__(self, request: Request) -> None:
        self.pairs = tuple(request.query_params.multi_items())
        self._given = dict(self.pairs)

    def one(self, name: str) -> str | None:
        """Return the last value of a name."""
        return self._given.get(name)


def _checked(request: RunRequest) -> RunRequest:
    if request.template is not None and request.output_path is not None:
        raise ProblemError(400, "either 'outputNotebookPath' or 'template' is supported not both")
    return request


def _notebook(path: str | None) -> str:
    if not path:
        raise ProblemError(400, "'notebook' is missing: the path of a notebook, as GET /notebooks lists it")
    return path if is_notebook_name(path) else f"{path}.ipynb"


def _location(text: str | None, *, optional: bool) -> Location | None:
    """Read ``location``; where the notebook is in the URL's path, another text belongs to a parameter of this name."""
    known: Mapping[str, Location] = {"s3": "s3", "local": "local"}
    if not text or (optional and text.lower() not in known):
        return None
    if text.lower() not in known:
        raise ProblemError(400, f"location: {text!r} is neither 's3' nor 'local'")
    return known[text.lower()]


def _template(value: Any) -> tuple[str | None, dict[str, Any]]:
    """Read a template's name, or its name and arguments."""
    if value is None or isinstance(value, str):
        return value or None, {}
    name, args = (value.get("name"), value.get("args")) if isinstance(value, dict) else (None, None)
    args = {} if args is None else args
    if not isinstance(name, str) or not isinstance(args, dict) or set(value) - {"name", "args"}:
        raise ProblemError(400, "'template' is neither a name nor {'name': …, 'args': {…}}")
    if not all(isinstance(arg, str | int | float) for arg in args.values()):
        raise ProblemError(400, "'template': its args are texts and numbers")
    return name, args
