"""Parameters as source code: one module for each language that papermill cannot write, or does not quote safely.

The translators have the methods of papermill's own, and `register` adds them to papermill's registry, so that
``papermill --engine packmill`` writes these languages too.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from generator.runner.document.translators.base import Translator, UnwritableError

__all__ = ["Translator", "UnwritableError", "find", "register"]

_modules = {
    "octave": "octave",
    "javascript": "javascript",
    "js": "javascript",
    "jslab": "javascript",
    "nodejs": "javascript",
    "typescript": "javascript",
    "ts": "javascript",
    "tslab": "javascript",
    "deno": "javascript",
    "scheme": "scheme",
    "calysto scheme": "calysto_scheme",
    "calysto_scheme": "calysto_scheme",
    "lua": "lua",
    "gnuplot": "gnuplot",
    "zsh": "zsh",
    "powershell": "powershell",
    "pwsh": "powershell",
    ".net-powershell": "powershell",
    "kotlin": "kotlin",
    "java": "java",
}
"""The names of kernels and languages, in lower case, and the module of each."""


def find(*names: str) -> Translator | None:
    """Return the translator of the first kernel or language that has one; names may be in upper or lower case."""
    module = next((_modules[name.lower()] for name in names if name.lower() in _modules), None)
    if module is None:
        return None
    translator: Translator = import_module(f"generator.runner.document.translators.{module}").translator
    return translator


def register(registry: Any) -> None:
    """Add the translators to papermill's registry, which looks for exact names."""
    for name in _modules:
        registry.register(name, find(name))
    registry.register("PowerShell", find("powershell"))
    registry.register("sos", registry.find_translator("", "python"))
