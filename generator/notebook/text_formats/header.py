"""The YAML header of a text notebook, between lines of ``---``; every line begins with ``#`` in a script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from generator.shared.errors import NotebookError
from generator.shared.yaml_limits import YamlLimitError, check_events, deepest
from generator.shared.yaml_problems import find_problem, unfit_values

_OF_PAGES = re.compile(r"\A(?P<before>(?:[ \t]*\n)*)---[ \t]*\n(?P<yaml>(?:.*\n)*?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_OF_SCRIPTS = re.compile(
    r"\A(?P<before>(?:#!.*\n|#(?!!)(?=[^\n]{0,99}coding[^\n]{0,99}\n).*\n|[ \t]*\n)*)"
    r"# ---[ \t]*\n(?P<yaml>(?:#.*\n)*?)# ---[ \t]*(?:\n|\Z)"
)
_TIME = "tag:yaml.org,2002:timestamp"
_FOREIGN = tuple(f"tag:yaml.org,2002:{name}" for name in ("binary", "omap", "pairs", "set"))
_LARGEST = 64 * 1024
"""Characters of a header."""


@dataclass(frozen=True, slots=True)
class RCode:
    """An expression of R in the header, written as ``!r Sys.Date()``."""

    code: str

    def __str__(self) -> str:
        return self.code


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """The parsed header, its text with the lines of ``---``, and the number of lines before it and up to its end."""

    values: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    before: int = 0
    end: int = 0

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Return a mapping in the header; empty without it."""
        value = self.values.get(name)
        return value if isinstance(value, Mapping) else {}

    @property
    def kernel(self) -> Mapping[str, str]:
        """The kernelspec: ``kernelspec``, ``jupyter: {kernelspec: …}``, or named by Quarto's ``jupyter: NAME``."""
        named = self.values.get("jupyter")
        if isinstance(named, str):
            return {"name": named, "display_name": named}
        spec = self.mapping("kernelspec") or self.mapping("jupyter").get("kernelspec")
        return {key: one for key, one in spec.items() if isinstance(one, str)} if isinstance(spec, Mapping) else {}


def read_header(text: str, name: str, *, script: bool = False) -> Header:
    """Read the header of a text notebook; an empty one if it has none.

    Raises:
        NotebookError: the header is not valid YAML, or not a mapping.
    """
    match = (_OF_SCRIPTS if script else _OF_PAGES).match(text)
    if match is None:
        return Header()
    if len(match[0]) > _LARGEST:
        raise NotebookError(f"{name}: the YAML header has {len(match[0])} characters; at most {_LARGEST} are read")
    yaml = re.sub(r"(?m)^# ?", "", match["yaml"]) if script else match["yaml"]
    before = match["before"].count("\n")
    values = load_yaml(yaml, name, line=before + 1)
    if values is not None and not isinstance(values, dict):
        raise NotebookError(f"{name}:{before + 1}: the YAML header is a {type(values).__name__} instead of a mapping")
    return Header(values=values or {}, text=match[0][len(match["before"]) :], before=before, end=match[0].count("\n"))


def load_yaml(text: str, name: str, *, line: int) -> Any:
    """Parse YAML of a text notebook, in which ``line`` lines precede it.

    Dates stay text, as in R and in notebooks.

    Raises:
        NotebookError: the text is not valid YAML, or expands to too much.
    """
    import yaml

    try:
        check_events(yaml.parse(text, Loader=yaml.SafeLoader))
        return yaml.load(text, Loader=_loader_with_r())  # noqa: S506 - a subclass of SafeLoader
    except YamlLimitError as error:
        raise NotebookError(f"{name}:{line + 1}: the YAML is too large: {error}") from None
    except (yaml.YAMLError, *unfit_values, RecursionError) as error:
        where, problem = find_problem(error)
        raise NotebookError(f"{name}:{line + max(where, 1)}: invalid YAML: {problem}") from None


@cache
def checked_loader() -> Any:
    """Return a loader for another library, which refuses aliases, deep values and long numbers as it meets them.

    A library loads many parts of a file and repeats their values, so that even a few aliases would multiply.
    """
    import yaml

    class Checked(_plain_loader()):  # type: ignore[misc]
        level = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()
            if isinstance(event, yaml.AliasEvent):
                raise YamlLimitError(f"the alias *{event.anchor[:40]}; write the value itself")
            if self.level > deepest:
                raise YamlLimitError(f"a value is nested more than {deepest} levels deep")
            if isinstance(event, yaml.ScalarEvent):
                check_events((event,))
            self.level += 1
            node = super().compose_node(parent, index)
            self.level -= 1
            return node

    return Checked


def _loader_with_r() -> Any:
    """Return a loader with R's expressions."""
    loader = _plain_loader()
    for tag in ("!r", "!expr"):
        loader.add_constructor(tag, lambda reader, node: RCode(str(reader.construct_scalar(node))))
    return loader


def _plain_loader() -> Any:
    """Return SafeLoader without values that neither R's parameters nor JSON have."""
    import yaml

    loader: Any = type("Loader", (yaml.SafeLoader,), {})
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIME]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    loader.yaml_constructors = {
        tag: construct for tag, construct in yaml.SafeLoader.yaml_constructors.items() if tag not in _FOREIGN
    }
    loader.add_constructor(_TIME, yaml.SafeLoader.construct_yaml_str)
    return loader
