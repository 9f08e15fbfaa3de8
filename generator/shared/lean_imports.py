"""Import a module of a package without the package's ``__init__``, which may import far more than the module needs."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import types
from typing import Any

_lock = threading.RLock()
"""An import puts an empty package in place of the whole one for a moment, which no other thread may see."""


def import_lean(package: str, module: str) -> Any:
    """Import ``package.module`` alone, unless the whole package is imported already; for use from several threads.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    with _lock:
        if package in sys.modules:
            return importlib.import_module(f"{package}.{module}")
        spec = importlib.util.find_spec(package)
        if spec is None:
            raise ModuleNotFoundError(package)
        bare = types.ModuleType(package)
        bare.__path__ = list(spec.submodule_search_locations or ())
        sys.modules[package] = bare
        try:
            return importlib.import_module(f"{package}.{module}")
        finally:
            sys.modules.pop(package, None)
