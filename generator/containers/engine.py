"""The container engine, by the Docker SDK: what answers, what it holds, what a container of an image prints."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors

from generator.containers.limits import container_limits
from generator.request.settings import read_settings
from generator.shared.errors import EngineMissingError, ImageBuildError, UsageError
from generator.subprocesses import run

_RUN_LIMIT = 300.0
"""Seconds that a command in a container may take."""
_CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image as the engine knows it; ``layers`` are diff ids, ``size`` is in bytes, unpacked.

    ``digest`` is a registry's, ``own_digest`` that of the registry and repository that it was looked up by.
    """

    id: str
    digest: str | None
    config: Mapping[str, Any]
    size: int
    layers: tuple[str, ...] = ()
    own_digest: str | None = None

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.config.get("Labels") or {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One layer of an image: the step that built it, and its unpacked size in bytes."""

    made_by: str
    size: int


@contextmanager
def open_client() -> Iterator[docker.DockerClient]:
    """A client of the engine that DOCKER_HOST or the usual socket names.

    Raises:
        EngineMissingError: none answers.
    """
    with ExitStack() as stack:
        try:
            client = stack.enter_context(closing(docker.from_env(timeout=600)))
            client.ping()
        except docker.errors.DockerException as error:
            advice = "start Docker and try again, or let packmill set it up: packmill setup"
            raise EngineMissingError(f"no container engine answers: {advice}\n  {error}") from None
        yield client


def is_podman() -> bool:
    """Whether the engine is Podman behind its Docker-compatible socket."""
    with open_client() as client:
        return _is_podman(client)


def _is_podman(client: docker.DockerClient) -> bool:
    parts = client.version().get("Components") or []
    return any("podman" in str(part.get("Name", "")).lower() for part in parts)


def engine_id() -> str:
    """What tells this engine from all others, and no container knows; empty for Podman, which makes it up."""
    with open_client() as client:
        return "" if _is_podman(client) else str(client.info().get("ID") or "")


def architecture() -> str:
    """The machine that its images are for, as Go calls it: amd64, arm64."""
    with open_client() as client:
        return str(client.version().get("Arch") or "")


def inspect(reference: str) -> Image | None:
    """The image of that name in the engine's store, if it is there."""
    with open_client() as client:
        podman = _is_podman(client)
        try:
            attributes = client.images.get(reference).attrs
        except docker.errors.NotFound:
            return None
        except docker.errors.APIError as error:
            raise UsageError(
                f"{reference!r}: the engine does not take this name of an image: {error.explanation}"
            ) from None
    digests = [] if podman else attributes.get("RepoDigests") or []  # Podman makes them up for what no registry has
    own = [one for one in digests if _repository(one) == _repository(reference)]
    return Image(
        id=attributes["Id"],
        digest=digests[0].rpartition("@")[2] if digests else None,
        config=attributes["Config"] or {},
        size=attributes.get("Size", 0),
        own_digest=own[0].rpartition("@")[2] if own else None,
        layers=tuple((attributes.get("RootFS") or {}).get("Layers") or ()),
    )


def _repository(reference: str) -> str:
    """The repository of a reference, as short as the engine writes it (distribution/reference, "familiar name")."""
    name = re.sub(r":[^/:]*$", "", reference.partition("@")[0])
    return re.sub(r"^(docker\.io/)?(library/)?", "", name)


def history(reference: str) -> tuple[Layer, ...]:
    """The layers of an image that hold something, the lowest first."""
    with open_client() as client, docker_errors_as_build_errors(reference):
        rows = client.images.get(reference).history()
    return tuple(
        Layer(made_by=str(row.get("CreatedBy") or ""), size=int(row.get("Size") or 0))
        for row in reversed(rows)
        if row.get("Size")
    )


def pull(reference: str, *, timeout: float = 900) -> str:
    """Pulls an image; the empty string, or why it could not be pulled. ``timeout`` is in seconds."""
    done = run(("docker", "pull", "--quiet", "--", reference), timeout=timeout)
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return "" if done.code == 0 else (said or [f"docker pull ended with code {done.code}"])[-1]


def host_ca_bundle() -> Path | None:
    """The certificates that this machine trusts, where one of the usual files holds them."""
    return next((Path(path) for path in _CA_BUNDLES if Path(path).is_file()), None)


def tag(reference: str, name: str) -> None:
    """Gives an image of the engine's store another name."""
    repository, _, mark = name.rpartition(":")
    with open_client() as client, docker_errors_as_build_errors(reference):
        client.images.get(reference).tag(repository, tag=mark)


@contextmanager
def docker_errors_as_build_errors(reference: str) -> Iterator[None]:
    """An image that somebody took away meanwhile, as an error of a build."""
    try:
        yield
    except docker.errors.DockerException as error:
        raise ImageBuildError(f"the engine does not give {reference}, which was there a moment ago: {error}") from None


def untag(reference: str) -> None:
    """Takes a name away; what other images are built on stays."""
    # A name too many is no reason to fail a finished build.
    with open_client() as client, suppress(docker.errors.DockerException):
        client.images.remove(reference, noprune=True)


def run_in(
    image: str,
    command: tuple[str, ...],
    *,
    user: str = "12345:12345",
    environment: Mapping[str, str] | None = None,
    entrypoint: str | None = None,
    hidden: str = "",
) -> tuple[int, str, str]:
    """Runs a command in a container as CWL runners do: any uid, read-only root, no network; code, stdout, stderr.

    ``hidden`` is a folder of the image that the command finds empty. What does not end in five minutes is ended, with
    code 124. It has the limits of a run.
    """
    limits = container_limits(read_settings(os.environ)).options(ram=0, cores=0)
    name = f"packmill-{secrets.token_hex(8)}"
    variables = [word for key, value in (environment or {}).items() for word in ("--env", f"{key}={value}")]
    instead = (f"--entrypoint={entrypoint}",) if entrypoint is not None else ()
    without = (f"--tmpfs={hidden}:mode=0755",) if hidden else ()
    done = run(
        ("docker", "run", "--rm", f"--name={name}", "--read-only", "--network=none", f"--user={user}", *limits,
         "--tmpfs=/tmp:mode=1777,exec", *without, "--workdir=/tmp", "--env=HOME=/tmp", *variables, *instead, "--",
         image, *command),
        timeout=_RUN_LIMIT,
    )  # fmt: skip
    if done.code == 124:  # only the docker command was ended
        run(("docker", "rm", "--force", "--", name), timeout=60)
    return done.code, done.stdout, done.stderr
