"""The Python API of packmill: ``from packmill import build, inspect, run``; docs/api.md describes it.

In notebooks that packmill runs, ``from packmill import glue`` is a module of the kernel. This package has ``glue`` too,
so a notebook that finds it first works as well. Nothing is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from generator.api import BuiltPackage, Description, build, inspect, run
    from generator.shared.errors import PackmillError

    glue: Any

__all__ = ["BuiltPackage", "Description", "PackmillError", "build", "glue", "inspect", "run"]


def __getattr__(name: str) -> Any:
    if name == "glue":
        return _glue_of_kernels()
    if name == "PackmillError":
        from generator.shared.errors import PackmillError

        return PackmillError
    if name in __all__:
        from generator import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _glue_of_kernels() -> Any:
    """Return ``glue`` from the module of kernels, which needs nothing of packmill's dependencies."""
    import sys
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    folder = Path(__file__).resolve().parents[1] / "generator" / "runner" / "kernel_modules"
    spec = spec_from_file_location("packmill_glue", folder / "packmill.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder}: not found; install packmill again")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # its other modules, which it imports for maps and arrays
    return module.glue


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
