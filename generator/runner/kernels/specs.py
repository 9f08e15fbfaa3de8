"""The kernels that are installed, with command lines that start the right interpreter.

The runner has its own Python, so Jupyter's search (its own prefix) and substitution (``python`` becomes the searching
interpreter) would both miss the user's environment.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from generator.runner.kernels.folders import kernel_folders
from generator.shared.failures import KernelMissingError

_PREFERRED = {"python": ("python3", "python"), "r": ("ir",), "bash": ("bash",)}
_LOCAL = "local-provisioner"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that can be started, unless it has a ``problem``; ``argv`` still holds ``{connection_file}``."""

    name: str
    language: str
    argv: tuple[str, ...]
    folder: Path
    environment: tuple[tuple[str, str], ...] = ()
    interrupt_mode: str = "signal"
    problem: str = ""
    """Why it cannot be started, with the file or what to do."""
    provisioner: str = ""
    """The program that starts the kernel elsewhere (jupyter_client, "Customizing the kernel's runtime environment")."""


class _InvalidSpecError(ValueError):
    """A kernelspec that cannot be used."""


def find_kernels(environment: Mapping[str, str]) -> tuple[Kernel, ...]:
    """List the installed kernels in search order; a kernel with a problem does not hide a later one of its name."""
    found: dict[str, Kernel] = {}
    for folder in kernel_folders(environment):
        for spec in _list_specs(folder):
            kernel = _read(spec, environment)
            before = found.get(kernel.name) if kernel else None
            if kernel and (before is None or (before.problem and not before.provisioner)):
                found[kernel.name] = kernel
    return tuple(found.values())


def _list_specs(folder: Path) -> Iterator[Path]:
    """Yield the kernelspecs in a folder, which may be missing or closed to the user."""
    try:
        kernels = sorted(folder.iterdir())
    except OSError:
        return
    for kernel in kernels:
        yield kernel / "kernel.json"


def choose_kernel(
    kernels: Iterable[Kernel], *, name: str | None, language: str, exact: bool = False, in_image: bool = True
) -> tuple[Kernel, str]:
    """Return the named kernel, else one of the language with a warning (otherwise '').

    ``exact`` accepts only the named kernel; ``in_image`` is about the advice in messages.

    Raises:
        KernelMissingError: no kernel has the name or, unless ``exact``, the language; or a provisioner starts it.
    """
    by_name = {kernel.name.lower(): kernel for kernel in kernels}
    named = by_name.get(name.lower()) if name else None
    if named and not named.problem:
        return named, ""
    if named and (exact or named.provisioner):
        remedy = "" if named.provisioner else "; correct it, or choose another kernel with -k"
        raise KernelMissingError(f"kernel {name!r}: {named.problem}{remedy}")
    usable = [kernel for kernel in by_name.values() if not kernel.problem]
    fitting = [kernel for kernel in usable if kernel.language.lower() == language.lower()]
    preferred = [kernel for word in _PREFERRED.get(language.lower(), ()) for kernel in fitting if kernel.name == word]
    chosen = None if exact and name else next(iter((*preferred, *fitting)), None)
    if chosen is None:
        raise KernelMissingError(_describe_missing(named, usable, name, language, exact=exact, in_image=in_image))
    if not name:
        return chosen, ""
    program = " ".join(chosen.argv[:1])
    reason = named.problem if named else "not found"
    return chosen, f"kernel {name!r}: {reason}; the notebook runs in {chosen.name!r} ({program}) instead"


def _describe_missing(
    named: Kernel | None, usable: Iterable[Kernel], name: str | None, language: str, *, exact: bool, in_image: bool
) -> str:
    available = ", ".join(f"{kernel.name} ({kernel.language})" for kernel in usable) or "none"
    language = language or "an unknown language"
    missing = "not found in the image" if in_image else "not found"
    asked = f"kernel {name!r}: {named.problem if named else missing}" if name else f"no kernel for {language}"
    another = "" if exact or not name else f"; no other kernel for {language} either"
    remedy = (
        "add the kernel to the environment (ipykernel for Python, IRkernel for R) and rebuild the image"
        if in_image
        else "install a kernel (ipykernel for Python, IRkernel for R) in an environment on PATH, or choose one with -k"
    )
    return f"{asked}{another}; available kernels: {available}\n  {remedy}"


def _read(spec: Path, environment: Mapping[str, str]) -> Kernel | None:
    """Read a kernelspec; None if there is no file that can be read."""
    try:
        text = spec.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return None
    kernel = Kernel(spec.parent.name, "", (), spec.parent)
    try:
        document = _parse(text)
        kernel = replace(kernel, language=str(document.get("language", "")))
        provisioner = _read_provisioner(document, environment)
        if provisioner:
            return replace(kernel, provisioner=provisioner, problem=_explain_provisioner(provisioner))
        return _complete(kernel, document, environment)
    except _InvalidSpecError as error:
        return replace(kernel, problem=f"{spec}: {error}")


def _parse(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise _InvalidSpecError(f"is not valid JSON: {where}") from None
    if not isinstance(document, dict):
        raise _InvalidSpecError("is not a JSON object")
    return document


def _complete(kernel: Kernel, document: Mapping[str, Any], environment: Mapping[str, str]) -> Kernel:
    argv = document.get("argv")
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
        raise _InvalidSpecError("argv is not a list of words" if argv else "argv is missing")
    extra = document.get("env")
    extra = {str(name): str(value) for name, value in extra.items()} if isinstance(extra, dict) else {}
    prefix = _prefix(kernel.folder)
    words = {"{resource_dir}": str(kernel.folder), "{prefix}": str(prefix or sys.prefix)}
    for word, meaning in words.items():
        argv = [part.replace(word, meaning) for part in argv]
    path = re.sub(r"\$(PATH|\{PATH\})", lambda _: environment.get("PATH", ""), extra.get("PATH", "$PATH"))
    interpreter = _interpreter(argv[0], prefix, path)
    if interpreter is None:
        raise _InvalidSpecError(f"its program {argv[0]!r} is not found, or cannot be executed")
    return replace(
        kernel,
        argv=(interpreter, *argv[1:]),
        environment=tuple(extra.items()),
        interrupt_mode=str(document.get("interrupt_mode", "signal")),
    )


def _read_provisioner(document: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """Return the name of the provisioner, unless it starts kernels on this machine."""
    metadata = document.get("metadata")
    stanza = metadata.get("kernel_provisioner") if isinstance(metadata, dict) else None
    default = environment.get("JUPYTER_DEFAULT_PROVISIONER_NAME") or _LOCAL
    name = stanza.get("provisioner_name", default) if isinstance(stanza, dict) else default
    return "" if name == _LOCAL else str(name)


def _explain_provisioner(name: str) -> str:
    return (
        f"the kernel provisioner {name!r} starts it, not the runner; choose another kernel with -k, "
        "or run the notebook with --engine nbclient, which uses provisioners"
    )


def _prefix(folder: Path) -> Path | None:
    """Return the environment that has a kernel in ``share/jupyter/kernels``."""
    is_in_environment = folder.parts[-4:-1] == ("share", "jupyter", "kernels")
    return folder.parents[3] if is_in_environment else None


def _interpreter(command: str, prefix: Path | None, path: str) -> str | None:
    """Return a kernel's absolute program path; ``python`` is that of the kernelspec's environment."""
    if os.path.isabs(command):
        return command if os.access(command, os.X_OK) else None
    is_python = re.fullmatch(r"python[\d.]*", command)
    for name in (command, "python3", "python") if is_python else (command,):
        if prefix and os.access(prefix / "bin" / name, os.X_OK):
            return str(prefix / "bin" / name)
    from shutil import which

    found = which(command, path=path)
    return str(Path(found).absolute()) if found else None
