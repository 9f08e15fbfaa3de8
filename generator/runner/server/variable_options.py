"""Options of a command line that have variables, for containers."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

variable_prefix = "PACKMILL_SERVE_"


def add_option(group: argparse._ArgumentGroup, name: str, *, prefix: str = variable_prefix, **named: Any) -> None:
    """Add an option whose default is the value of its variable, such as ``PACKMILL_SERVE_QUEUE`` for ``--queue``."""
    variable = prefix + name[2:].replace("-", "_").upper()
    if value := os.environ.get(variable):
        action = named.get("action")
        named["default"] = is_true(value) if action == "store_true" else value
        if action == "append":
            named["default"] = value.replace(",", " ").split()
        if "choices" in named:  # argparse does not check defaults
            named["type"] = _one_of(named["choices"])
    group.add_argument(name, **named)


def is_true(text: str) -> bool:
    """Return whether a variable of a switch sets it."""
    return text.strip().lower() in ("true", "1", "yes", "on")


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def choice(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return choice
