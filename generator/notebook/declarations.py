"""Outputs on a command line, for the runner: ``NAME=TYPE:GLOB``, such as ``tables=File[]:results/*.csv``."""

from __future__ import annotations

import re

from generator.notebook.interface import Output
from generator.notebook.parameters import CwlType


def output_declaration(one: Output) -> str:
    """Write an output as text."""
    array, optional = "[]" if one.array else "", "?" if one.optional else ""
    return f"{one.name}={one.type}{array}{optional}:{one.glob}"


def parse_declaration(text: str) -> Output:
    """Parse the text of an output.

    Raises:
        ValueError: the text is not an output.
    """
    match = re.fullmatch(r"(?s)([^=]+)=(File|Directory)(\[\])?(\?)?:([^/].*)", text)
    if match is None:
        raise ValueError(f"{text!r}: write it as NAME=TYPE:GLOB, with the type File, File[] or Directory")
    name, kind, array, optional, pattern = match.groups()
    return Output(name=name, type=CwlType(kind), glob=pattern, array=bool(array), optional=bool(optional))
