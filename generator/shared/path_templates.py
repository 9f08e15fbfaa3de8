"""Templates of an executed notebook's path: ``{{ args.year }}/{{ city }}/{{ args.notebook_name }}.ipynb``.

From papermill-api (its README, "Output Notebook Storage"). Templates come from callers, so jinja2's sandbox renders
them and they can only choose and join values.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from generator.shared.errors import UsageError

_LONGEST = 1024
_METHODS = {"capitalize", "casefold", "lower", "lstrip", "rstrip", "strip", "title", "upper"}
_FILTERS = "abs capitalize d default first float int last length lower string title trim truncate upper".split()
_STATEMENTS = (
    "For Macro CallBlock FilterBlock Include Import FromImport Extends Block Assign AssignBlock With Mul Pow Mod"
)

_FAILURES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    NameError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""Errors of templates, besides jinja2's own."""


def check_template(template: str) -> None:
    """Refuse a template that no run could render.

    Raises:
        UsageError: the template is empty, too long, invalid, or does more than choose and join values.
    """
    if not template.strip() or len(template) > _LONGEST:
        raise UsageError(f"an output template has 1 to {_LONGEST} characters")
    if not is_template(template):
        return
    from jinja2 import TemplateError

    try:
        _refuse_statements(_environment(), template)
    except (*_FAILURES, TemplateError) as error:
        raise UsageError(f"the output template {template!r} is invalid: {error}") from None


def is_template(text: str) -> bool:
    """Return whether a text has anything to render."""
    return "{{" in text or "{%" in text


def render_path(
    template: str,
    *,
    notebook: str,
    time: datetime,
    parameters: Mapping[str, Any],
    args: Mapping[str, Any] | None = None,
) -> str:
    """Render the path of this run's notebook, ending in ``.ipynb``.

    ``args`` holds ``timestamp`` (YYYYmmddHHMMSS), ``year``, ``month``, ``day``, all UTC, ``notebook_name`` (without its
    ending) and the caller's own; the run's parameters are available by name and as ``parameters``. A path that ends in
    a slash is a folder, and the file is ``<notebook_name>_out_<timestamp>.ipynb``.

    Raises:
        UsageError: the template cannot be rendered, or its result is not a valid path.
    """
    name = posixpath.splitext(posixpath.basename(notebook))[0] or "notebook"
    stamp = time.strftime("%Y%m%d%H%M%S")
    own = {"timestamp": stamp, "year": stamp[:4], "month": stamp[4:6], "day": stamp[6:8], "notebook_name": name}
    values = {**parameters, "parameters": dict(parameters), "args": {**own, **(args or {})}}
    path = _render(template, values).strip() if is_template(template) else template.strip()
    if path.endswith("/"):
        path += f"{name}_out_{stamp}.ipynb"
    if not path.endswith(".ipynb"):
        path += ".ipynb"
    if any(not character.isprintable() for character in path) or len(path) > _LONGEST:
        raise UsageError(f"the output template {template!r} gives an invalid path")
    if any(len(part.encode()) > 255 for part in path.split("/")):
        raise UsageError(f"the output template {template!r} gives a name of more than 255 bytes")
    return path


def render_path_inside(template: str, **facts: Any) -> str:
    """Render the path as `render_path` does; return it relative to its folder and normalized.

    Raises:
        UsageError: the path is absolute, a URL, or outside its folder.
    """
    path = render_path(template, **facts)
    inside = posixpath.normpath(path)
    if inside.startswith(("/", "..")) or "://" in path or "\\" in path:
        raise UsageError(f"the output template {template!r} gives {path!r}, which leads out of the output directory")
    return inside


def _render(template: str, values: Mapping[str, Any]) -> str:
    from jinja2 import TemplateError

    if len(template) > _LONGEST:
        raise UsageError(f"an output template has at most {_LONGEST} characters")
    try:
        environment = _environment()
        _refuse_statements(environment, template)
        return str(environment.from_string(template).render(values))
    except (*_FAILURES, TemplateError) as error:
        there = ", ".join(sorted(values["args"]))
        message = re.sub(r"'dict object' has no attribute", "args has no", str(error))
        raise UsageError(
            f"the output template {template!r} cannot be rendered: {message}\n  args has {there}"
        ) from None


def _environment() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class PathEnvironment(ImmutableSandboxedEnvironment):
        """Allows calls of a few string methods only."""

        def is_safe_callable(self, obj: Any) -> bool:
            owner = getattr(obj, "__self__", None)
            return isinstance(owner, str) and getattr(obj, "__name__", "") in _METHODS

    environment = PathEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    environment.filters["join"] = _join
    return environment


def _join(values: Any, between: str = "") -> str:
    """Join the items of a list; jinja2's own also splits a text, which grows with every use."""
    if not isinstance(values, list | tuple):
        raise TypeError("join is for lists")
    return str(between).join(map(str, values))


def _refuse_statements(environment: Any, template: str) -> None:
    """Refuse loops and multiplication: a short template could otherwise use up the memory."""
    from jinja2 import TemplateSyntaxError, nodes

    refused = tuple(getattr(nodes, name) for name in _STATEMENTS.split())
    found = next(environment.parse(template).find_all(refused), None)
    if found is not None:
        raise TemplateSyntaxError(f"{type(found).__name__.lower()} is not allowed in paths", found.lineno)
