"""The container engine, through the Docker SDK: its version, its images, and commands in containers."""

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
import requests
from urllib3.exceptions import HTTPError

from generator.containers.limits import container_limits
from generator.request.settings import read_settings
from generator.shared.errors import EngineMissingError, ImageBuildError, UsageError
from generator.subprocesses.commands import run, run_within
from generator.subprocesses.interruptions import deferred_interruptions

_FAILURES = (docker.errors.DockerException, requests.RequestException, HTTPError)
"""What the Docker SDK raises; the latter two, of the libraries below it, if the engine ends while it answers."""
_RUN_LIMIT = 300.0
"""Time limit of a command in a container, in seconds."""
_MOST_OUTPUT = 16 << 20
"""Bytes that a command in a container may print; lists of packages have a few MiB."""
_CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image in the engine; ``layers`` are diff ids, ``size`` is unpacked, in bytes.

    ``digest`` is a registry's, ``own_digest`` that of the registry and repository in the name it was looked up by;
    ``architecture`` is as Go names it.
    """

    id: str
    digest: str | None
    config: Mapping[str, Any]
    size: int
    layers: tuple[str, ...] = ()
    own_digest: str | None = None
    architecture: str = ""

    @property
    def identity(self) -> str:
        """Its ID and architecture: in containerd's image store, a pulled image has one ID for all architectures."""
        return f"{self.id} {self.architecture}".rstrip()

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the image."""
        return self.config.get("Labels") or {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One layer of an image: the step that built it, and its unpacked size in bytes."""

    made_by: str
    size: int


@contextmanager
def open_client() -> Iterator[docker.DockerClient]:
    """Open a client of the engine at DOCKER_HOST or the default socket.

    Raises:
        EngineMissingError: no engine answers, or it ends while the client is open.
    """
    with ExitStack() as stack:
        try:
            client = stack.enter_context(closing(docker.from_env(timeout=600)))
            client.ping()
        except _FAILURES as error:
            advice = "start Docker and try again, or let packmill set it up: packmill setup"
            raise EngineMissingError(f"no container engine answers: {advice}\n  {error}") from None
        try:
            yield client
        except _FAILURES as error:
            raise EngineMissingError(f"the container engine failed, or ended meanwhile; try again\n  {error}") from None


def is_podman() -> bool:
    """Check whether the engine is Podman behind its Docker-compatible socket."""
    with open_client() as client:
        return _is_podman(client)


def _is_podman(client: docker.DockerClient) -> bool:
    parts = client.version().get("Components") or []
    return any("podman" in str(part.get("Name", "")).lower() for part in parts)


def describe_engine() -> str:
    """Return the name and the version of the engine.

    Raises:
        EngineMissingError: no engine answers.
    """
    with open_client() as client:
        version = client.version()
        name = "Podman" if _is_podman(client) else "Docker"
        return f"{name} {version.get('Version', '')}, {version.get('Arch', '')}"


def storage_folder() -> Path | None:
    """Return the engine's folder for images; None if the engine does not report it.

    Raises:
        EngineMissingError: no engine answers.
    """
    with open_client() as client:
        folder = client.info().get("DockerRootDir")
        return Path(folder) if folder else None


def engine_id() -> str:
    """Return the engine's ID, which containers cannot read; empty for Podman, which has none."""
    with open_client() as client:
        return "" if _is_podman(client) else str(client.info().get("ID") or "")


def architecture() -> str:
    """Return the architecture of the engine's machine, as Go names it: amd64, arm64."""
    with open_client() as client:
        return str(client.version().get("Arch") or "")


def inspect(reference: str) -> Image | None:
    """Look up an image in the engine; None if it is missing.

    Raises:
        UsageError: the engine rejects the name.
    """
    with open_client() as client:
        podman = _is_podman(client)
        try:
            attributes = client.images.get(reference).attrs
        except docker.errors.NotFound:
            return None
        except docker.errors.APIError as error:
            raise UsageError(f"{reference!r}: the engine rejects this image name: {error.explanation}") from None
    # Podman invents digests for images that no registry has.
    digests = [] if podman else attributes.get("RepoDigests") or []
    own = [one for one in digests if _repository(one) == _repository(reference)]
    return Image(
        id=attributes["Id"],
        digest=digests[0].rpartition("@")[2] if digests else None,
        config=attributes["Config"] or {},
        size=attributes.get("Size", 0),
        own_digest=own[0].rpartition("@")[2] if own else None,
        layers=tuple((attributes.get("RootFS") or {}).get("Layers") or ()),
        architecture=str(attributes.get("Architecture") or ""),
    )


def _repository(reference: str) -> str:
    """Return the repository of a reference in the engine's short form (distribution/reference, "familiar name")."""
    name = re.sub(r":[^/:]*$", "", reference.partition("@")[0])
    return re.sub(r"^(docker\.io/)?(library/)?", "", name)


def history(reference: str) -> tuple[Layer, ...]:
    """Return the layers of an image that are not empty, the lowest first."""
    with open_client() as client, docker_errors_as_build_errors(reference):
        rows = client.images.get(reference).history()
    return tuple(
        Layer(made_by=str(row.get("CreatedBy") or ""), size=int(row.get("Size") or 0))
        for row in reversed(rows)
        if row.get("Size")
    )


def pull(reference: str, *, timeout: float = 900) -> str:
    """Pull an image; return why it could not be pulled, or the empty string. ``timeout`` is in seconds."""
    done = run(("docker", "pull", "--quiet", "--", reference), timeout=timeout)
    output = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return "" if done.code == 0 else (output or [f"docker pull exited with code {done.code}"])[-1]


def host_ca_bundle() -> Path | None:
    """Return the file of the certificates that this machine trusts, if it is at a usual place."""
    return next((Path(path) for path in _CA_BUNDLES if Path(path).is_file()), None)


def tag(reference: str, name: str) -> None:
    """Give an image in the engine another name."""
    repository, _, version = name.rpartition(":")
    with open_client() as client, docker_errors_as_build_errors(reference):
        client.images.get(reference).tag(repository, tag=version)


@contextmanager
def docker_errors_as_build_errors(reference: str) -> Iterator[None]:
    """Turn an error of the engine, e.g. an image that was removed meanwhile, into an error of the build."""
    try:
        yield
    except docker.errors.DockerException as error:
        raise ImageBuildError(f"{reference}: the engine failed on this image: {error}") from None


def untag(reference: str) -> None:
    """Remove a name of an image; layers that other images use stay."""
    # A name that stays is harmless; a finished build must not fail for it.
    with suppress(docker.errors.DockerException, EngineMissingError), open_client() as client:
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
    """Run a command in a container as CWL runners do, and return its exit code, stdout and stderr.

    The container has an arbitrary uid, a read-only root, no network, and the limits of a run. ``hidden`` is a folder of
    the image that is empty for the command. After five minutes the command is stopped, with code 124, and with code 137
    once it has printed more than 16 MiB. The container is removed, also if packmill is interrupted.
    """
    limits = container_limits(read_settings(os.environ)).options(ram=0, cores=0)
    name = f"packmill-{secrets.token_hex(8)}"
    variables = [word for key, value in (environment or {}).items() for word in ("--env", f"{key}={value}")]
    program = (f"--entrypoint={entrypoint}",) if entrypoint is not None else ()
    emptied = (f"--tmpfs={hidden}:mode=0755",) if hidden else ()
    has_ended = False
    try:
        done = run_within(
            ("docker", "run", "--rm", f"--name={name}", "--read-only", "--network=none", f"--user={user}", *limits,
             "--log-driver=none", "--tmpfs=/tmp:mode=1777,exec", *emptied, "--workdir=/tmp", "--env=HOME=/tmp",
             *variables, *program, "--", image, *command),
            timeout=_RUN_LIMIT,
            most=_MOST_OUTPUT,
        )  # fmt: skip
        has_ended = done.code not in (124, 137)
    finally:
        if not has_ended:  # maybe only the docker command was stopped, not the container; also by Ctrl-C or SIGTERM
            with deferred_interruptions():
                run(("docker", "rm", "--force", "--", name), timeout=60, apart=True)
    return done.code, done.stdout, done.stderr
