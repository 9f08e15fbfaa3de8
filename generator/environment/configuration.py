"""Find a repository's configuration files, the build pack of repo2docker that they select, and the files that it reads.

The order of the build packs is that of ``Repo2Docker.buildpacks``; their classes define the files that they read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from generator.environment.project import Project, read_project
from generator.environment.python_version import read_runtime
from generator.shared.errors import EnvironmentSpecError

ReadText = Callable[[str], str | None]
"""A reader of a file's text by its path; None if the file has no text."""

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
    "conda-lock.yml",
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
_OURS_ONLY = {"pylock.toml", "uv.lock", "conda-lock.yml"}
TOP_ONLY = {"pyproject.toml", "setup.py", "uv.lock", "DESCRIPTION"}
_ALWAYS = {"apt.txt", "postBuild", "start"}
_PYTHON = {"requirements.txt", "pyproject.toml", "setup.py", "runtime.txt"} | _ALWAYS
_CONDA = {"environment.yml", "environment.yaml"}
_DECLARING = {"Pipfile", "Pipfile.lock", "requirements.txt", "pylock.toml", "setup.py", "install.R"}
"""Files that describe the packages before a ``conda-lock.yml``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildPackFiles:
    """One of repo2docker's build packs: the file that selects it, and the files that it reads."""

    main: str
    reads: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigurationFiles:
    """The names and texts of a repository's configuration files; those outside of ``folder`` are ignored."""

    folder: str
    names: frozenset[str]
    read: ReadText | None

    @property
    def here(self) -> frozenset[str]:
        """The configuration files that are read in this folder."""
        present = {file for file in FILES if self.folder + file in self.names}
        return frozenset(present - TOP_ONLY if self.folder else present)

    def text(self, file: str) -> str:
        """Return the text of a file.

        Raises:
            EnvironmentSpecError: the file cannot be read as text.
        """
        text = self.read(self.folder + file) if self.read else None
        if text is None:
            raise EnvironmentSpecError(f"{self.folder}{file}: cannot be read as text")
        return text

    def mentions(self, file: str, files: Iterable[str]) -> bool:
        """Return whether one of ``files`` mentions a file by name; False without a reader."""
        texts = (self.read(self.folder + one) or "" for one in files if self.read and one in self.here)
        return any(re.search(rf"(?<![\w.-]){re.escape(file)}(?![\w-])", text) for text in texts)

    def runtime_name(self, *, strict: bool) -> str:
        """Return ``python``, ``r`` or ``r with a date`` from ``runtime.txt``; empty if it is missing or not read.

        Raises:
            EnvironmentSpecError: the file cannot be read as text, or has several lines, of which repo2docker would make
                lines of a Dockerfile; if ``strict``, also for any other text that is not understood.
        """
        if "runtime.txt" not in self.here or self.read is None:
            return ""
        text = self.text("runtime.txt")
        try:
            runtime = read_runtime(text, self.folder + "runtime.txt")
        except EnvironmentSpecError:
            if strict or len(text.strip().splitlines()) > 1:
                raise
            return ""
        return "r with a date" if runtime.name == "r" and runtime.date else runtime.name

    def build_pack(self, *, standard: bool) -> BuildPackFiles:
        """Select the first of repo2docker's build packs whose file is present."""
        here, conda = self.here, [file for file in ("environment.yml", "environment.yaml") if file in self.here][:1]
        if "Dockerfile" in here:
            return _build_pack("Dockerfile", *set(FILES) - _OURS_ONLY)
        for main in ("JuliaProject.toml", "Project.toml", "REQUIRE"):
            if main in here:
                return _build_pack(main, *_PYTHON, *conda)
        if "default.nix" in here:
            return _build_pack("default.nix", *_ALWAYS)
        runtime = self.runtime_name(strict=not standard)
        if "DESCRIPTION" in here or runtime == "r with a date":
            main = "DESCRIPTION" if "DESCRIPTION" in here else "runtime.txt"
            return _build_pack(main, "install.R", *_PYTHON, *conda)
        if conda:
            return _build_pack(conda[0], *_ALWAYS)
        if "conda-lock.yml" in here and not here & _DECLARING and self.project is Project.NONE:
            return _build_pack("conda-lock.yml", *_ALWAYS)
        if runtime in ("", "python") and here & {"Pipfile", "Pipfile.lock"}:
            main = "Pipfile.lock" if "Pipfile.lock" in here else "Pipfile"
            return _build_pack(main, "Pipfile", *_ALWAYS)
        return _build_pack("", *_PYTHON)

    def used(self, pack: BuildPackFiles, *, ours: bool) -> tuple[str, ...]:
        """List the files that are read, in the order of `FILES`; ``ours`` if packmill builds without the pack."""
        reads = set(pack.reads)
        if ours and pack.main:
            reads = {"Pipfile.lock", "runtime.txt", *_ALWAYS}
        elif ours:
            reads |= self._of_plain_python()
            reads -= {"pyproject.toml"} if self.project is Project.NONE and "setup.py" not in self.here else set()
        elif pack.main == "Dockerfile":
            reads |= {file for file in _OURS_ONLY if self.mentions(file, ["Dockerfile"])}
        elif pack.main in _CONDA and "requirements.txt" in self.here:
            known = self.read is not None and not self.mentions("requirements.txt", [pack.main])
            reads |= set() if known else {"requirements.txt"}
        return tuple(file for file in FILES if file in self.here & reads)

    def _of_plain_python(self) -> set[str]:
        return {"pylock.toml", "uv.lock"} if self.project is not Project.NONE else {"pylock.toml"}

    @property
    def project(self) -> Project:
        """What ``pyproject.toml`` at the top has to install; a package if it is not read."""
        if "pyproject.toml" not in self.here:
            return Project.NONE
        if self.read is None:
            return Project.PACKAGE
        return read_project(self.text("pyproject.toml"))

    def python_texts(self, used: Iterable[str]) -> dict[str, str]:
        """Read the files that may require a Python version, the most explicit first."""
        files = ("runtime.txt", "Pipfile.lock", "pyproject.toml", "uv.lock", "pylock.toml")
        return {self.folder + file: self.text(file) for file in files if file in set(used)}


def _build_pack(main: str, *reads: str) -> BuildPackFiles:
    return BuildPackFiles(main=main, reads=frozenset({main, *reads} - {""}))
