"""What SoS's own front ends send with each cell, so that SoS runs it in the cell's kernel (sos-notebook 0.24.7).

Without it SoS runs every cell as its own. SoS also loses the output of the first code that it runs in another kernel,
because it takes an earlier message of that kernel for the end of the code. So each kernel first runs a comment.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from generator.notebook.sos import OWN_KERNEL, is_sos, kernel_of_cell, kernelspec_of_cell, language_of_cell

_COMMENTS = {"javascript": "//", "typescript": "//", "java": "//", "kotlin": "//", "lua": "--", "scheme": ";"}
_SWITCH = re.compile(r"^%(?:use|with)[ \t]+([\w.-]+)", re.MULTILINE)
_USE = re.compile(r"^%use[ \t]+([\w.-]+)[ \t]*$", re.MULTILINE)

Ask = Callable[[str, Mapping[str, Any]], bool]
"""Runs code with more fields in the request, drops its output, and returns whether it was successful."""


class FrontEnd:
    """The front end of one notebook that runs in SoS."""

    def __init__(self, notebook: Mapping[str, Any]) -> None:
        """``notebook`` is the notebook's metadata."""
        self._notebook = notebook
        self._names = {OWN_KERNEL: OWN_KERNEL}
        """The kernels that were started, by the notebook's name, and SoS's name of each."""
        self._used = ""
        """The kernel of the last ``%use``, which runs the cells that name none."""

    def prepare(self, cell: Mapping[str, Any], ask: Ask) -> Mapping[str, Any]:
        """Start the kernels of a cell that SoS has not started, and return the fields of the cell's request."""
        self._used = _last_use(cell) or self._used
        kernel = kernel_of_cell(self._metadata(cell), self._notebook)
        for name in (kernel, *_SWITCH.findall(str(cell.get("source")))):
            if name not in self._names:
                self._names[name] = self._start(name, ask)
        return _fields(self._names[kernel])

    def judge(self, cell: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """Return the language in which a cell may fail, in lower case, and the fields of requests to its kernel."""
        names = _SWITCH.findall(str(cell.get("source")))
        metadata = {**self._metadata(cell), **({"kernel": names[-1]} if names else {})}
        kernel = kernel_of_cell(metadata, self._notebook)
        return language_of_cell(metadata, self._notebook), _fields(self._names[kernel])

    def _metadata(self, cell: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a cell's metadata with the kernel that runs its code, which ``%use`` changes."""
        own = cell.get("metadata") or {}
        kernel = _last_use(cell) or own.get("kernel") or self._used
        return {**own, "kernel": kernel}

    def _start(self, name: str, ask: Ask) -> str:
        """Start a kernel and return the name by which SoS knows it: the notebook's, or the kernelspec's."""
        kernelspec = kernelspec_of_cell({"kernel": name}, self._notebook)
        option = f" -k {shlex.quote(kernelspec)}" if kernelspec else ""
        tries = {name: f"%use {shlex.quote(name)}{option}", kernelspec: f"%use {shlex.quote(kernelspec)}"}
        known = next((one for one, code in tries.items() if one and ask(code, _fields(OWN_KERNEL))), name)
        ask(_COMMENTS.get(language_of_cell({"kernel": name}, self._notebook), "#"), _fields(known))
        return known


def _last_use(cell: Mapping[str, Any]) -> str:
    """Return the kernel that a cell switches to for good, or ''."""
    return next(iter(reversed(_USE.findall(str(cell.get("source"))))), "")


def _fields(kernel: str) -> dict[str, Any]:
    """Return the fields of a request whose code runs in a kernel; ``cell_id`` is any but 0, that of tests."""
    return {"sos": {"cell_kernel": kernel, "cell_id": "packmill", "batch_mode": True, "use_panel": False}}


def front_end(info: Mapping[str, Any], notebook: Mapping[str, Any]) -> FrontEnd | None:
    """Return the front end for a kernel, from its ``kernel_info_reply``, if it is SoS."""
    language = info.get("language_info")
    name = language.get("name") if isinstance(language, dict) else ""
    return FrontEnd(notebook) if is_sos(str(name)) else None
