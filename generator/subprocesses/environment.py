"""The environment variables that programs inherit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

signing_variables = tuple(f"PACKMILL_SIGN_{word}" for word in ("KEY", "KEY_FILE", "PASSWORD", "PASSWORD_FILE"))
"""Variables that no program inherits."""


def inherited_variables() -> dict[str, str]:
    """Return the variables that programs inherit."""
    return {name: value for name, value in os.environ.items() if name not in signing_variables}


@contextmanager
def without_variables(names: Iterable[str]) -> Iterator[None]:
    """Hide environment variables from all programs that start within this context, those of libraries included."""
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
