"""A repo2docker build pack for plain Python environments: a virtual environment by uv, no conda, no server.

Takes repositories whose environment is ``requirements.txt``, ``pyproject.toml`` or ``setup.py``, with ``apt.txt``,
``postBuild`` and ``start`` as repo2docker has them, or that describe none.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import uv
from repo2docker.buildpacks.base import BaseImage
from repo2docker.utils import is_local_pip_requirement

from generator.environment import BuildPack, find_environment
from generator.process import repository_files
from generator.templates import render

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]*(=[A-Za-z0-9.+~:-]+)?")


class PlainPythonBuildPack(BaseImage):  # type: ignore[misc]
    """Renders a Dockerfile of its own; context, arguments and build are repo2docker's."""

    def detect(self) -> bool:
        """Whether the working directory has a plain Python environment."""
        return find_environment(repository_files(Path.cwd())).buildpack is BuildPack.PLAIN_PYTHON

    def get_build_script_files(self) -> dict[str, str]:
        """uv goes into the build context, from where the Dockerfile mounts it; the image does not keep it."""
        return {os.fsdecode(uv.find_uv_bin()): "/unused"}

    def render(self, build_args: dict[str, str] | None = None) -> str:
        """The Dockerfile."""
        requirements = self.binder_path("requirements.txt")
        lines = Path(requirements).read_text(errors="replace").splitlines() if Path(requirements).is_file() else None
        project = not self.binder_dir and (Path("pyproject.toml").is_file() or Path("setup.py").is_file())
        needs_git = any("git+" in line for line in lines or [])
        return render(
            "image/plain_python.Dockerfile",
            base_image=self.base_image,
            uv=self.generate_build_context_filename(os.fsdecode(uv.find_uv_bin()))[0],
            uid=int((build_args or {}).get("NB_UID", 1000)),
            apt=sorted({*self._apt_packages(), *(["git"] if needs_git else [])}),
            requirements=requirements if lines is not None else None,
            local=any(is_local_pip_requirement(line.strip()) for line in lines or [] if line.strip()),
            project=project,
            post_build=self.binder_path("postBuild") if Path(self.binder_path("postBuild")).is_file() else None,
            start=self.get_start_script(),
        )

    def _apt_packages(self) -> list[str]:
        file = Path(self.binder_path("apt.txt"))
        if not file.is_file():
            return []
        names = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
        for name in filter(None, names):
            if not _PACKAGE.fullmatch(name):
                raise ValueError(f"{file}: {name!r} is not the name of a Debian package")
        return [name for name in names if name]
