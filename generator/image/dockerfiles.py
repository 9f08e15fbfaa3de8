"""Dockerfiles of the runner image, the final image and the staging image, rendered from templates."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from generator import __version__
from generator.image.config import command, entrypoint, repository_folder
from generator.image.names import key_label, labels
from generator.image.pythons import ImagePythons
from generator.metadata.metadata import Metadata
from generator.repository.source import Source
from generator.resources import render
from generator.shared.errors import ImageBuildError


def runner_dockerfile(
    pythons: ImagePythons, *, builder: str, kernel_command: str, cache: str, kernel_gateway: bool = False
) -> str:
    """Render the Dockerfile of the runner image, which is built in the image ``builder``.

    ``kernel_command`` is the command there for the Python that needs a kernel; ``cache`` names the package cache;
    ``kernel_gateway`` adds a layer with the Jupyter Kernel Gateway.
    """
    return render(
        "image/runner/Dockerfile",
        builder=builder,
        runner_python=pythons.runner_python,
        kernel_name=pythons.kernel_python,
        kernel_python=kernel_command if pythons.kernel_python else "",
        cache=cache,
        kernel_gateway=kernel_gateway,
    )


def image_dockerfile(
    config: Mapping[str, object],
    source: Source,
    *,
    environment: str,
    runner: str,
    inside: bool,
    kernel_gateway: bool = False,
    formats: str = "",
    image_key: str,
    metadata: Metadata,
) -> str:
    """Render the Dockerfile that adds the runner and the repository to an environment.

    ``config`` is the environment's, ``metadata`` the repository's; ``inside`` means that the environment contains files
    of the repository already; ``formats`` is the image with the packages that read scientific formats, empty if the
    image needs none.
    """
    return render(
        "image/Dockerfile",
        environment=environment,
        runner=runner,
        user=_plain(str(config.get("User") or "root"), "user"),
        folder=_plain(repository_folder(config), "folder of the repository"),
        workdir=str(config.get("WorkingDir") or "/"),
        inside=inside,
        kernel_gateway=kernel_gateway,
        formats=formats,
        time=int(source.time.timestamp()),
        entrypoint=_exec_form(entrypoint(config)),
        command=_exec_form(command(config)),
        labels={
            name: json.dumps(value, ensure_ascii=False)
            for name, value in sorted(labels(source, image_key, metadata).items())
        },
    )


def _plain(text: str, what: str) -> str:
    """Return a text of an image's configuration, which a base image chooses, for a Dockerfile and a shell.

    A line break would begin an instruction, such as COPY from another image, past the check of the Dockerfile.

    Raises:
        ImageBuildError: it has other characters than a plain name or path.
    """
    if not re.fullmatch(r"[\w ./:@%+,~=()-]+", text):
        raise ImageBuildError(
            f"the environment's image has the {what} {text[:200]!r}, with characters that a Dockerfile or a shell may "
            "read as its own; use another base image, or set USER and WORKDIR in the Dockerfile"
        )
    return text


def _exec_form(words: tuple[str, ...]) -> str:
    return json.dumps(words) if words else ""


def formats_dockerfile(*, builder: str, runner: str, cache: str) -> str:
    """Render the Dockerfile of an image with the packages that read scientific formats, built in the image ``builder``.

    ``runner`` is the image of the runner that uses them; ``cache`` names the package cache.
    """
    return render("image/formats/Dockerfile", builder=builder, runner=runner, cache=cache)


def staging_dockerfile(*, base: str, runner: str, formats: str, key: str) -> str:
    """Render the Dockerfile of the staging image.

    ``formats`` is the image with the packages that read scientific formats, empty if they are not needed.
    """
    return render(
        "image/staging/Dockerfile",
        base=base,
        runner=runner,
        version=__version__,
        key_label=key_label,
        key=key,
        formats=formats,
    )
