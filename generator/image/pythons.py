"""The Pythons of an environment, as its probe prints them: what the runner layer depends on."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePythons:
    """The Pythons and the platform of an environment.

    ``runner_python`` is the path of the Python that runs the runner, empty if none can; ``kernel_python`` is the name
    on PATH of the Python that needs a kernel, empty if it has one or is missing. Packages are selected by versions,
    ``machine`` and ``libc``. All values come from the repository's environment, so none may contain shell syntax.
    """

    runner_python: str = ""
    runner_version: str = ""
    kernel_python: str = ""
    kernel_version: str = ""
    machine: str = ""
    libc: str = ""

    def texts(self) -> tuple[str, ...]:
        """Return all values, in the order of their definition."""
        return (
            self.runner_python, self.runner_version, self.kernel_python, self.kernel_version, self.machine, self.libc
        )  # fmt: skip

    def run_like(self, other: ImagePythons) -> bool:
        """Check whether a runner for the other Pythons runs here: same path, versions and platform.

        A kernel may be present here, because the runner without one is a runner of its own.
        """
        kernels = ("", other.kernel_version)
        return bool(self.runner_python) and self.kernel_version in kernels and self._runs_on() == other._runs_on()

    def _runs_on(self) -> tuple[str, ...]:
        return (self.runner_python, self.runner_version, self.machine, self.libc)


def parse_pythons(printed: str) -> ImagePythons:
    """Parse the output of ``templates/image/probe.sh``; leave out invalid values."""
    fields = {words[0]: words[1:] for words in map(str.split, printed.splitlines()) if words}
    path, version, machine, libc = (*fields.get("runner", ()), "", "", "", "")[:4]
    name, kernel = (*fields.get("kernel", ()), "", "")[:2]
    if not re.fullmatch(r"/[\w./+-]+", path) or not all(map(_is_word, (version, machine, libc))):
        path = version = machine = libc = ""
    if name not in ("python3", "python") or not _is_word(kernel):
        name = kernel = ""
    return ImagePythons(
        runner_python=path,
        runner_version=version,
        machine=machine,
        libc=libc,
        kernel_python=name,
        kernel_version=kernel,
    )


def _is_word(text: str) -> bool:
    return bool(re.fullmatch(r"[\w.+-]*", text))
