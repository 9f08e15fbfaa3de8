"""A repo2docker build pack for plain Python: a virtual environment by uv, without conda or a Jupyter server.

It accepts repositories whose environment is ``requirements.txt``, ``pyproject.toml`` or ``setup.py`` (with
``uv.lock``), ``pylock.toml``, ``Pipfile.lock``, ``runtime.txt``, with ``apt.txt``, ``postBuild`` and ``start`` as in
repo2docker, and repositories without an environment. Insert it before the others in a ``repo2docker_config.py``::

    from generator.buildpacks.plain_python import PlainPythonBuildPack

    c.Repo2Docker.buildpacks.insert(0, PlainPythonBuildPack)
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from repo2docker.buildpacks.base import BaseImage

from generator.environment.checkout import read_environment
from generator.environment.environment import BuildPack
from generator.image.environment.context import open_context, render_plan
from generator.image.environment.plan import Caches, Plan, make_plan
from generator.image.keys import digest_of

_NEEDS_BUILDING = re.compile(r"exit (code|status):? 78\b")
"""What BuildKit and Podman print when ``install.py`` exits with 78, because it needs compilers."""


class PlainPythonBuildPack(BaseImage):  # type: ignore[misc]
    """Replace repo2docker's build context and Dockerfile; repo2docker's engine builds them."""

    plan: Plan | None = None
    """The plan to build, if the repository was read already."""
    built_plan: Plan | None = None
    """The plan that was built."""
    caches: Caches | None = None
    """Names of the caches; by default each folder has its own."""

    def detect(self) -> bool:
        """Check whether the working directory has a plain Python environment."""
        return read_environment(Path.cwd()).buildpack is BuildPack.PLAIN_PYTHON

    def render(self, build_args: dict[str, str] | None = None) -> str:
        """Render the Dockerfile."""
        return render_plan(self._plan(), caches=self._caches(), uid=_uid(build_args))

    def build(  # noqa: PLR0917 - the signature is repo2docker's
        self,
        client: Any,
        image_spec: str,
        memory_limit: int,  # noqa: ARG002 - BuildKit takes none
        build_args: dict[str, str],
        cache_from: list[str],
        extra_build_kwargs: dict[str, Any],
        platform: str | None = None,
    ) -> Iterator[str]:
        """Build from wheels alone; if that is not possible, retry with compilers, which the image does not keep."""

        def attempt(plan: Plan) -> Iterator[str]:
            settings = {"buildargs": build_args, "cache_from": cache_from, "platform": platform, **extra_build_kwargs}
            with open_context(plan, caches=self._caches(), uid=_uid(build_args)) as context:
                yield from client.build(fileobj=context, tag=image_spec, custom_context=True, **settings)
            type(self).built_plan = plan

        plan, needs_building = self._plan(), False
        try:
            for line in attempt(plan):
                needs_building |= bool(_NEEDS_BUILDING.search(line))
                yield line
        except subprocess.CalledProcessError:
            if not needs_building:
                raise
            yield "some packages have no wheel: retrying with compilers\n"
            yield from attempt(plan.with_compilers)

    def _plan(self) -> Plan:
        if self.plan is None:
            self.plan = make_plan(Path.cwd(), read_environment(Path.cwd()), base_image=self.base_image)
        return self.plan

    def _caches(self) -> Caches:
        own = digest_of(str(Path.cwd()))[:16]
        return self.caches or Caches(own=own, wheels=own)


def prepare_build_pack(plan: Plan, caches: Caches) -> type[PlainPythonBuildPack]:
    """Return the build pack with its plan and caches set."""
    return type("PlainPythonBuildPack", (PlainPythonBuildPack,), {"plan": plan, "caches": caches})


def _uid(build_args: dict[str, str] | None) -> int:
    return int((build_args or {}).get("NB_UID", 1000))
