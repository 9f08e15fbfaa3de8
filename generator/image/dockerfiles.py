"""Render the Dockerfiles of the runner layer and of the final image."""

from __future__ import annotations

import json
from collections.abc import Mapping

from generator.image.contents import ImagePythons, keeps_entrypoint, repository_folder
from generator.image.names import labels
from generator.repository.source import Source
from generator.resources import render


def runner_dockerfile(facts: ImagePythons, *, builder: str, kernel_command: str, cache: str) -> str:
    """The Dockerfile of the runner's image, made in the image ``builder``.

    ``kernel_command`` is what the Python that needs a kernel is called there; ``cache`` names the cache of packages.
    """
    return render(
        "image/runner/Dockerfile",
        builder=builder,
        runner_python=facts.runner_python,
        kernel_name=facts.kernel_python,
        kernel_python=kernel_command if facts.kernel_python else "",
        cache=cache,
    )


def image_dockerfile(
    config: Mapping[str, object], source: Source, *, environment: str, runner: str, inside: bool, image_key: str
) -> str:
    """The Dockerfile that puts the runner, and the repository or what is missing of it, on top of an environment."""
    return render(
        "image/Dockerfile",
        environment=environment,
        runner=runner,
        user=str(config.get("User") or "root"),
        folder=repository_folder(config),
        workdir=str(config.get("WorkingDir") or "/"),
        inside=inside,
        time=int(source.time.timestamp()),
        replace_entrypoint=not keeps_entrypoint(config),
        labels={
            name: json.dumps(value, ensure_ascii=False) for name, value in sorted(labels(source, image_key).items())
        },
    )
