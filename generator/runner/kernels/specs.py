"""The kernels in an image's environments, with command lines that start the right interpreter.

The runner has its own Python, so Jupyter's search (its own prefix) and substitution (``python`` becomes the searching
interpreter) would both miss the user's environment.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from generator.shared.failures import KernelMissingError

_PREFERRED = {"python": ("python3", "python"), "r": ("ir",), "bash": ("bash",)}


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that can be started; ``argv`` still holds ``{connection_file}``."""

    name: str
    language: str
    argv: tuple[str, ...]
    folder: Path
    environment: tuple[tuple[str, str], ...] = ()
    interrupt_mode: str = "signal"


def find_kernels(environment: Mapping[str, str]) -> tuple[Kernel, ...]:
    """List the image's kernels in search order: JUPYTER_PATH, the runner's environment, PATH, system folders."""
    found: dict[str, Kernel] = {}
    for folder in _kernel_folders(environment):
        for spec in sorted(folder.glob("*/kernel.json")):
            kernel = _read(spec, environment)
            if kernel is not None:
                found.setdefault(kernel.name, kernel)
    return tuple(found.values())


def choose_kernel(
    kernels: Iterable[Kernel], *, name: str | None, language: str, exact: bool = False
) -> tuple[Kernel, str]:
    """Return the named kernel, else one of the language with a warning (otherwise '').

    ``exact`` accepts only the named kernel.

    Raises:
        KernelMissingError: no kernel has the name or, unless ``exact``, the language.
    """
    by_name = {kernel.name.lower(): kernel for kernel in kernels}
    if name and name.lower() in by_name:
        return by_name[name.lower()], ""
    fitting = [kernel for kernel in by_name.values() if kernel.language.lower() == language.lower()]
    preferred = [kernel for word in _PREFERRED.get(language.lower(), ()) for kernel in fitting if kernel.name == word]
    chosen = None if exact and name else next(iter((*preferred, *fitting)), None)
    if chosen is None:
        available = ", ".join(f"{kernel.name} ({kernel.language})" for kernel in by_name.values()) or "none"
        requested = f"{name!r} or another for {language}" if name else f"for {language or 'an unknown language'}"
        raise KernelMissingError(
            f"no kernel {requested} in the image; available kernels: {available}\n"
            "  add the kernel to the environment (ipykernel for Python, IRkernel for R) and rebuild the image"
        )
    warning = f"kernel {name!r}: not found in the image; using {chosen.name!r}" if name else ""
    return chosen, warning


def _kernel_folders(environment: Mapping[str, str]) -> list[Path]:
    bins = [Path(folder) for folder in environment.get("PATH", "").split(":") if folder.startswith("/")]
    shares = [Path(folder) for folder in environment.get("JUPYTER_PATH", "").split(":") if folder]
    shares += [Path(sys.prefix) / "share/jupyter"]
    shares += _list_shares(bins)
    shares += [
        Path(home) / ".local/share/jupyter" for home in dict.fromkeys((environment.get("HOME", "/"), "/home/jovyan"))
    ]
    shares += [Path("/usr/local/share/jupyter"), Path("/usr/share/jupyter")]
    return list(dict.fromkeys(share.absolute() / "kernels" for share in shares))


def _list_shares(bins: list[Path]) -> list[Path]:
    """List the kernel folders of PATH; packmill's kernel is that of the first Python, so later ones follow it."""
    shares, own = [], [Path("/opt/packmill/kernel/share/jupyter")]
    command = next((name for name in ("python3", "python") if any(os.access(one / name, os.X_OK) for one in bins)), "")
    for folder in bins:
        shares += [folder.parent / "share" / "jupyter"] if folder.name == "bin" else []
        if command and os.access(folder / command, os.X_OK):
            shares += own
            own = []
    return shares + own


def _read(spec: Path, environment: Mapping[str, str]) -> Kernel | None:
    try:
        document = json.loads(spec.read_text(encoding="utf-8-sig"))
        argv = [str(word) for word in document["argv"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    interpreter = _interpreter(argv[0], spec, environment) if argv else None
    if interpreter is None:
        return None
    extra = document.get("env")
    extra = extra if isinstance(extra, dict) else {}
    return Kernel(
        name=spec.parent.name,
        language=str(document.get("language", "")),
        argv=(interpreter, *argv[1:]),
        folder=spec.parent,
        environment=tuple((str(name), str(value)) for name, value in extra.items()),
        interrupt_mode=str(document.get("interrupt_mode", "signal")),
    )


def _interpreter(command: str, spec: Path, environment: Mapping[str, str]) -> str | None:
    """Return a kernel's absolute program path; ``python`` is that of the kernelspec's environment."""
    if os.path.isabs(command):
        return command if os.access(command, os.X_OK) else None
    prefix = (spec.parents[4] if len(spec.parents) > 4 else spec.parent) / "bin"
    if re.fullmatch(r"python[\d.]*", command):
        for name in (command, "python3", "python"):
            if os.access(prefix / name, os.X_OK):
                return str(prefix / name)
    program = prefix / command
    if os.access(program, os.X_OK):
        return str(program)
    from shutil import which

    return which(command, path=environment.get("PATH"))
