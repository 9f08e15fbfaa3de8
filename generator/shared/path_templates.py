"""Where an executed notebook goes, as a template: ``{{ args.year }}/{{ city }}/{{ args.notebook_name }}.ipynb``.

papermill-api's idea (its README, "Output Notebook Storage"), rendered in jinja2's sandbox: templates come from callers,
so they may choose and join values and nothing else.
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
"""What jinja2 and the values in a template can end in, besides jinja2's own errors."""


def check_template(template: str) -> None:
    """Refuses what no run could render.

    Raises:
        UsageError: it is empty, too long, no template of jinja2, or does more than choose and join values.
    """
    if not template.strip() or len(template) > _LONGEST:
        raise UsageError(f"an output template has 1 to {_LONGEST} characters")
    if not is_template(template):
        return
    from jinja2 import TemplateError

    try:
        _parse(_environment(), template)
    except (*_FAILURES, TemplateError) as error:
        raise UsageError(f"the output template {template!r} is none: {error}") from None


def is_template(text: str) -> bool:
    """Whether there is anything to fill in."""
    return "{{" in text or "{%" in text


def render_path(
    template: str,
    *,
    notebook: str,
    time: datetime,
    parameters: Mapping[str, Any],
    args: Mapping[str, Any] | None = None,
) -> str:
    """The path that a template means for this run, ending in ``.ipynb``.

    ``args`` holds ``timestamp`` (YYYYmmddHHMMSS), ``year``, ``month``, ``day``, all UTC, ``notebook_name`` (without its
    ending) and the caller's own; the run's parameters are there by name and as ``parameters``. A path that ends in a
    slash is a folder, and the file is ``<notebook_name>_out_<timestamp>.ipynb``.

    Raises:
        UsageError: it cannot be rendered, or the path is none.
    """
    name = posixpath.splitext(posixpath.basename(notebook))[0] or "notebook"
    stamp = time.strftime("%Y%m%d%H%M%S")
    own = {"timestamp": stamp, "year": stamp[:4], "month": stamp[4:6], "day": stamp[6:8], "notebook_name": name}
    values = {**parameters, "parameters": dict(parameters), "args": {**own, **(args or {})}}
    path = _rendered(template, values).strip() if is_template(template) else template.strip()
    if path.endswith("/"):
        path += f"{name}_out_{stamp}.ipynb"
    if not path.endswith(".ipynb"):
        path += ".ipynb"
    if any(not character.isprintable() for character in path) or len(path) > _LONGEST:
        raise UsageError(f"the output template {template!r} gives a path that no file can have")
    if any(len(part.encode()) > 255 for part in path.split("/")):
        raise UsageError(f"the output template {template!r} gives a name of more than 255 bytes")
    return path


def render_path_inside(template: str, **facts: Any) -> str:
    """The same for a path that may not leave its folder: relative, in normal form.

    Raises:
        UsageError: it is absolute, an address, or leads out.
    """
    path = render_path(template, **facts)
    inside = posixpath.normpath(path)
    if inside.startswith(("/", "..")) or "://" in path or "\\" in path:
        raise UsageError(f"the output template {template!r} gives {path!r}, which leads out of the output directory")
    return inside


def _rendered(template: str, values: Mapping[str, Any]) -> str:
    from jinja2 import TemplateError

    if len(template) > _LONGEST:
        raise UsageError(f"an output template has at most {_LONGEST} characters")
    try:
        environment = _environment()
        _parse(environment, template)
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
        """Calls nothing but a few methods of strings."""

        def is_safe_callable(self, obj: Any) -> bool:
            owner = getattr(obj, "__self__", None)
            return isinstance(owner, str) and getattr(obj, "__name__", "") in _METHODS

    environment = PathEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    environment.filters["join"] = _join
    return environment


def _join(values: Any, between: str = "") -> str:
    """The items of a list; jinja2's own also takes a text apart, which grows with every use."""
    if not isinstance(values, list | tuple):
        raise TypeError("join is for lists")
    return str(between).join(map(str, values))


def _parse(environment: Any, template: str) -> None:
    """No loops, no multiplication: a short template could otherwise fill the memory."""
    from jinja2 import TemplateSyntaxError, nodes

    refused = tuple(getattr(nodes, name) for name in _STATEMENTS.split())
    found = next(environment.parse(template).find_all(refused), None)
    if found is not None:
        raise TemplateSyntaxError(f"{type(found).__name__.lower()} is not for paths", found.lineno)
