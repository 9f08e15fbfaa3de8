"""The configuration files of a repository: which of them count, and for which of repo2docker's build packs.

The order of the build packs is that of ``Repo2Docker.buildpacks``, what each of them reads is its class's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from generator.environment.project import Project, project
from generator.environment.python_version import read_runtime
from generator.shared.errors import EnvironmentSpecError

Read = Callable[[str], str | None]

FILES = (
    "Dockerfile",
    "Project.toml",
    "JuliaProject.toml",
    "REQUIRE",
    "default.nix",
    "DESCRIPTION",
    "install.R",
    "environment.yml",
    "environment.yaml",
    "Pipfile",
    "Pipfile.lock",
    "requirements.txt",
    "pylock.toml",
    "pyproject.toml",
    "uv.lock",
    "setup.py",
    "runtime.txt",
    "apt.txt",
    "postBuild",
    "start",
)
_OURS_ONLY = {"pylock.toml", "uv.lock"}
TOP_ONLY = {"pyproject.toml", "setup.py", "uv.lock", "DESCRIPTION"}
_ALWAYS = {"apt.txt", "postBuild", "start"}
_PYTHON = {"requirements.txt", "pyproject.toml", "setup.py", "runtime.txt"} | _ALWAYS
_CONDA = {"environment.yml", "environment.yaml"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One of repo2docker's build packs: the file that calls for it, and the files that it reads."""

    main: str
    reads: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The files of a repository, and the questions that are asked of them."""

    folder: str
    names: frozenset[str]
    read: Read | None

    @property
    def here(self) -> frozenset[str]:
        """The configuration files that count."""
        there = {file for file in FILES if self.folder + file in self.names}
        return frozenset(there - TOP_ONLY if self.folder else there)

    def text(self, file: str) -> str:
        """The text of a file that counts."""
        text = self.read(self.folder + file) if self.read else None
        if text is None:
            raise EnvironmentSpecError(f"{self.folder}{file}: cannot be read as text")
        return text

    def mentions(self, file: str, files: Iterable[str]) -> bool:
        """Whether one of these files speaks of a file by name; without a reader nothing is known to."""
        texts = (self.read(self.folder + one) or "" for one in files if self.read and one in self.here)
        return any(re.search(rf"(?<![\w.-]){re.escape(file)}(?![\w-])", text) for text in texts)

    def runtime_name(self, *, strict: bool) -> str:
        """``python``, ``r``, or ``r`` with a date, as ``runtime.txt`` asks; empty when it does not, or is not read."""
        if "runtime.txt" not in self.here or self.read is None:
            return ""
        try:
            runtime = read_runtime(self.text("runtime.txt"), self.folder + "runtime.txt")
        except EnvironmentSpecError:
            if strict:
                raise
            return ""
        return "r with a date" if runtime.name == "r" and runtime.date else runtime.name

    def kind(self, *, standard: bool) -> Kind:
        """Which of repo2docker's build packs it is; the first that finds its file."""
        here, conda = self.here, [file for file in ("environment.yml", "environment.yaml") if file in self.here][:1]
        if "Dockerfile" in here:
            return _kind("Dockerfile", *set(FILES) - _OURS_ONLY)
        for main in ("JuliaProject.toml", "Project.toml", "REQUIRE"):
            if main in here:
                return _kind(main, *_PYTHON, *conda)
        if "default.nix" in here:
            return _kind("default.nix", *_ALWAYS)
        runtime = self.runtime_name(strict=not standard)
        if "DESCRIPTION" in here or runtime == "r with a date":
            main = "DESCRIPTION" if "DESCRIPTION" in here else "runtime.txt"
            return _kind(main, "install.R", *_PYTHON, *conda)
        if conda:
            return _kind(conda[0], *_ALWAYS)
        if runtime in ("", "python") and here & {"Pipfile", "Pipfile.lock"}:
            main = "Pipfile.lock" if "Pipfile.lock" in here else "Pipfile"
            return _kind(main, "Pipfile", *_ALWAYS)
        return _kind("", *_PYTHON)

    def used(self, kind: Kind, *, ours: bool) -> tuple[str, ...]:
        """The files that are read, in the order of `FILES`."""
        reads = set(kind.reads)
        if ours and kind.main:
            reads = {"Pipfile.lock", "runtime.txt", *_ALWAYS}
        elif ours:
            reads |= self._of_plain_python()
            reads -= {"pyproject.toml"} if self.project is Project.NONE and "setup.py" not in self.here else set()
        elif kind.main == "Dockerfile":
            reads |= {file for file in _OURS_ONLY if self.mentions(file, ["Dockerfile"])}
        elif kind.main in _CONDA and "requirements.txt" in self.here:
            known = self.read is not None and not self.mentions("requirements.txt", [kind.main])
            reads |= set() if known else {"requirements.txt"}
        return tuple(file for file in FILES if file in self.here & reads)

    def _of_plain_python(self) -> set[str]:
        return {"pylock.toml", "uv.lock"} if self.project is not Project.NONE else {"pylock.toml"}

    @property
    def project(self) -> Project:
        """What ``pyproject.toml`` at the top has to install; where it is not read, what its name promises."""
        if "pyproject.toml" not in self.here:
            return Project.NONE
        if self.read is None:
            return Project.PACKAGE
        return project(self.text("pyproject.toml"))

    def asking(self, used: Iterable[str]) -> dict[str, str]:
        """The texts of the files that may ask for a Python, the most explicit first."""
        asking = ("runtime.txt", "Pipfile.lock", "pyproject.toml", "uv.lock", "pylock.toml")
        return {self.folder + file: self.text(file) for file in asking if file in set(used)}


def _kind(main: str, *reads: str) -> Kind:
    return Kind(main=main, reads=frozenset({main, *reads} - {""}))
