"""Templates of an executed notebook's path: ``{{ args.year }}/{{ city }}/{{ args.notebook_name }}.ipynb``.

From papermill-api (its README, "Output Notebook Storage"). Templates come from callers, so jinja2's sandbox renders
them and they can only choose and join values. Values come from callers, too: a template uses short ones alone, since it
could use a long one hundreds of times, join a list with it, or strip one from another, which takes the product of their
lengths.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any

from generator.shared.errors import UsageError

_LONGEST = 1024
_LONGEST_VALUE = 4096
"""Characters and items of a value that a template uses: what Linux allows for a path."""
_METHODS = {"capitalize", "casefold", "lower", "lstrip", "rstrip", "strip", "title", "upper"}
_FILTERS = "abs capitalize d default first float int last length lower string title trim truncate upper".split()
_STATEMENTS = (
    "For Macro CallBlock FilterBlock Include Import FromImport Extends Block Assign AssignBlock With Mul Pow Mod"
)

_FAILURES = (
    ArithmeticError,
    AssertionError,
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
        UsageError: the template cannot be rendered, a value that it uses has more than 4,096 characters or items, or
            the result is not a valid path.
    """
    if len(template) > _LONGEST:
        raise UsageError(f"an output template has at most {_LONGEST} characters")
    name = posixpath.splitext(posixpath.basename(notebook))[0] or "notebook"
    stamp = time.strftime("%Y%m%d%H%M%S")
    own = {"timestamp": stamp, "year": stamp[:4], "month": stamp[4:6], "day": stamp[6:8], "notebook_name": name}
    values = {**parameters, "parameters": _Group(parameters), "args": _Group({**own, **(args or {})})}
    path = _render(template, values).strip() if is_template(template) else template.strip()
    if path.endswith("/"):
        path += f"{name}_out_{stamp}.ipynb"
    if not path.endswith(".ipynb"):
        path += ".ipynb"
    if len(path) > _LONGEST or not path.isprintable():
        raise UsageError(f"the output template {template!r} gives an invalid path")
    if any(len(part.encode()) > 255 for part in path.split("/")):
        raise UsageError(f"the output template {template!r} gives a name of more than 255 bytes")
    return path


def render_path_inside(template: str, **facts: Any) -> str:
    """Render the path as `render_path` does; return it relative to its folder and normalized.

    Raises:
        UsageError: see `render_path` and `keep_inside`.
    """
    return keep_inside(template, render_path(template, **facts))


def keep_inside(template: str, path: str) -> str:
    """Return the path that a template gave relative to its folder, and normalized.

    Raises:
        UsageError: the path is absolute, a URL, or outside its folder.
    """
    inside = posixpath.normpath(path)
    if inside.startswith(("/", "..")) or "://" in path or "\\" in path:
        raise UsageError(f"the output template {template!r} gives {path!r}, which leads out of the output directory")
    return inside


def _render(template: str, values: Mapping[str, Any]) -> str:
    from jinja2 import TemplateError, nodes

    try:
        environment = _environment()
        tree = _refuse_statements(environment, template)
        for name in {node.name for node in tree.find_all(nodes.Name)}:
            _check_size(values.get(name), name)
        return str(environment.from_string(template).render(values))
    except (*_FAILURES, TemplateError) as error:
        there = ", ".join(sorted(values["args"]))
        message = re.sub(r"'[\w.]*_Group object' has no attribute", "args has no", str(error))
        raise UsageError(
            f"the output template {template!r} cannot be rendered: {message}\n  args has {there}"
        ) from None


def _environment() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class PathEnvironment(ImmutableSandboxedEnvironment):
        """Allows calls of a few string methods only, and values that are short."""

        def is_safe_callable(self, obj: Any) -> bool:
            owner = getattr(obj, "__self__", None)
            return isinstance(owner, str) and getattr(obj, "__name__", "") in _METHODS

        def call(self, context: Any, obj: Any, /, *values: Any, **named: Any) -> Any:
            for value in (getattr(obj, "__self__", None), *values, *named.values()):
                _check_size(value)
            return super().call(context, obj, *values, **named)

        def getattr(self, obj: Any, attribute: str) -> Any:
            return _checked(super().getattr(obj, attribute), attribute)

        def getitem(self, obj: Any, argument: Any) -> Any:
            return _checked(super().getitem(obj, argument), argument)

    environment = PathEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.globals.clear()
    filters: dict[str, Callable[..., Any]] = {name: environment.filters[name] for name in _FILTERS}
    environment.filters = {name: _of_short_values(one) for name, one in {**filters, "join": _join}.items()}
    return environment


class _Group(dict[str, Any]):
    """Values of which a template uses one by its name, so that the length of the others does not matter."""

    def __repr__(self) -> str:
        _check_size({**self})
        return super().__repr__()


def _of_short_values(convert: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that refuses long values: texts of a template together can be long although each is short."""

    @wraps(convert)  # jinja2 marks its filters with attributes
    def checked(*values: Any, **named: Any) -> Any:
        for value in (*values, *named.values()):
            _check_size(value)
        return _checked(convert(*values, **named))

    return checked


def _checked(value: Any, name: object = None) -> Any:
    _check_size(value, name)
    return value


def _check_size(value: Any, name: object = None) -> None:
    """Check the length of a text, or of all texts and lists in a value; stop at the first one that is too much.

    Raises:
        ValueError: the value is too long.
    """
    size, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, int):
            size += one.bit_length() // 3  # about its digits
        elif isinstance(one, str | list | tuple | dict) and not isinstance(one, _Group):
            size += len(one)
        if size > _LONGEST_VALUE:
            what = "a value" if name is None else repr(name)[:50]
            raise ValueError(f"{what} is longer than {_LONGEST_VALUE} characters")
        if isinstance(one, list | tuple):
            waiting += one
        elif isinstance(one, dict) and not isinstance(one, _Group):
            waiting += [*one.keys(), *one.values()]


def _join(values: Any, between: str = "") -> str:
    """Join the items of a list; jinja2's own also splits a text, which grows with every use."""
    if not isinstance(values, list | tuple):
        raise TypeError("join is for lists")
    texts, separator = [str(value) for value in values], str(between)
    if sum(map(len, texts)) + len(texts) * len(separator) > _LONGEST_VALUE:
        raise ValueError(f"the joined list is longer than {_LONGEST_VALUE} characters")
    return separator.join(texts)


def _refuse_statements(environment: Any, template: str) -> Any:
    """Return the parsed template, without loops and multiplication: a short one could otherwise use up the memory."""
    from jinja2 import TemplateSyntaxError, nodes

    refused = tuple(getattr(nodes, name) for name in _STATEMENTS.split())
    tree = environment.parse(template)
    found = next(tree.find_all(refused), None)
    if found is not None:
        raise TemplateSyntaxError(f"{type(found).__name__.lower()} is not allowed in paths", found.lineno)
    return tree
