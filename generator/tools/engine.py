"""The container engine: environments by repo2docker, the runner's layer by BuildKit, containers by the Docker SDK."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import docker
import docker.errors
import uv

from generator.errors import EngineMissingError, EnvironmentSpecError, ImageBuildError, UsageError
from generator.image import runner_files
from generator.templates import data_folder
from generator.tools.process import run, stream

_CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image as the engine knows it."""

    id: str
    digest: str | None
    config: Mapping[str, Any]
    size: int

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.config.get("Labels") or {}


@contextmanager
def connected() -> Iterator[docker.DockerClient]:
    """A client of the engine that DOCKER_HOST or the usual socket names.

    Raises:
        EngineMissingError: none answers.
    """
    try:
        client = docker.from_env(timeout=600)
        client.ping()
    except docker.errors.DockerException as error:
        advice = "start Docker and try again, or let packmill set it up: packmill setup"
        raise EngineMissingError(f"no container engine answers: {advice}\n  {error}") from None
    with closing(client):
        yield client


def inspect(reference: str) -> Image | None:
    """The image of that name in the engine's store, if it is there."""
    with connected() as client:
        try:
            attributes = client.images.get(reference).attrs
        except docker.errors.NotFound:
            return None
        except docker.errors.APIError as error:
            raise UsageError(
                f"{reference!r}: the engine does not take this name of an image: {error.explanation}"
            ) from None
    digests = attributes.get("RepoDigests") or []
    return Image(
        id=attributes["Id"],
        digest=digests[0].rpartition("@")[2] if digests else None,
        config=attributes["Config"] or {},
        size=attributes.get("Size", 0),
    )


def pull(reference: str, *, timeout: float = 900) -> str:
    """Pulls an image; the empty string, or why it could not be pulled. ``timeout`` is in seconds."""
    done = run(("docker", "pull", "--quiet", "--", reference), timeout=timeout)
    return "" if done.code == 0 else (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]


def host_ca_bundle() -> Path | None:
    """The certificates that this machine trusts, where one of the usual files holds them."""
    return next((Path(path) for path in _CA_BUNDLES if Path(path).is_file()), None)


def untag(reference: str) -> None:
    """Takes a name away; what other images are built on stays."""
    # A name too many is no reason to fail a finished build.
    with connected() as client, suppress(docker.errors.DockerException):
        client.images.remove(reference, noprune=True)


def repo2docker_app(folder: Path, *, image: str, base_image: str | None) -> Any:
    """repo2docker, set to build a checkout as the user jovyan with uid 1000, packmill's build pack first."""
    from repo2docker.app import Repo2Docker
    from traitlets.config import Config

    from generator.buildpacks.plain_python import PlainPythonBuildPack

    app = Repo2Docker(config=Config())
    app.repo = str(folder)
    app.buildpacks = [PlainPythonBuildPack, *app.buildpacks]
    if base_image:
        app.base_image = base_image
    app.output_image_spec = image
    app.user_id, app.user_name = 1000, "jovyan"
    # `run` only makes repo2docker load the image into the engine's store; build() does not start it.
    app.run, app.push = True, False
    return app


def build_environment(folder: Path, *, image: str, base_image: str | None, on_line: Callable[[str], None]) -> None:
    """Builds the environment of a checkout by repo2docker, as the user jovyan with uid 1000.

    Raises:
        EnvironmentSpecError: repo2docker refuses the configuration files.
        ImageBuildError: the build fails; the message ends with the build's last lines that mean something.
    """
    app = repo2docker_app(folder, image=image, base_image=base_image)
    tail: deque[str] = deque(maxlen=400)
    app.initialize()
    app.log.handlers = [_LineHandler(on_line, tail)]
    app.log.propagate = False
    try:
        app.build()
    except (ValueError, FileNotFoundError) as error:
        raise EnvironmentSpecError(f"the environment cannot be read: {error}") from None
    except SystemExit:
        raise ImageBuildError(_last_words(tail)) from None
    except Exception as error:  # noqa: BLE001
        # repo2docker lets whatever its packs and the docker command meet through, with no common class
        if type(error).__name__ == "CalledProcessError":
            raise ImageBuildError(_last_words(tail)) from None
        raise ImageBuildError(f"repo2docker cannot build the environment: {type(error).__name__}: {error}") from None


class _LineHandler(logging.Handler):
    """Hands repo2docker's log on as whole lines."""

    def __init__(self, on_line: Callable[[str], None], tail: deque[str]) -> None:
        super().__init__()
        self.on_line, self.tail, self.rest = on_line, tail, ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.INFO:
            return
        *lines, self.rest = (self.rest + record.getMessage().replace("\r", "\n")).split("\n")
        for line in lines:
            self.tail.append(line)
            self.on_line(line)


def build_layer(
    dockerfile: str,
    *,
    repository: Path,
    place: Mapping[str, Any],
    image: str,
    on_line: Callable[[str], None],
) -> None:
    """Builds the runner's layer; ``place`` is what the runner needs to know of the repository.

    Raises:
        ImageBuildError: the build fails.
    """
    with TemporaryDirectory(prefix="packmill-layer-") as temporary:
        context = Path(temporary)
        for name, path in runner_files().items():
            target = context / "generator" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        for path in (data_folder("templates") / "image").iterdir():
            shutil.copy(path, context / path.name)
        shutil.copy(uv.find_uv_bin(), context / "uv")
        bundle = host_ca_bundle()
        (context / "ca-certificates.crt").write_bytes(bundle.read_bytes() if bundle else b"")
        (context / "repository.json").write_text(json.dumps(place, indent=1))
        shutil.copytree(repository, context / "repository", symlinks=True, ignore=shutil.ignore_patterns(".git"))
        (context / "Dockerfile").write_text(dockerfile)
        tail: deque[str] = deque(maxlen=400)

        def keep(line: str) -> None:
            tail.append(line)
            on_line(line)

        command = ("docker", "buildx", "build", "--progress", "plain", "--load", "--tag", image, "--", str(context))
        if stream(command, on_line=keep) != 0:
            raise ImageBuildError(_last_words(tail))


def _last_words(lines: deque[str]) -> str:
    """The last lines of a build that mean something: BuildKit repeats the failing step's between two rules."""
    rules = [number for number, line in enumerate(lines) if re.fullmatch(r"-{6}", line.strip())]
    said = list(lines)[rules[-2] + 2 : rules[-1]] if len(rules) >= 2 else list(lines)[-40:]
    plain = [re.sub(r"^(#\d+ )?(\d+\.\d+ )?", "", line).rstrip() for line in said]
    shown = [
        line for line in dict.fromkeys(plain) if line.strip() and not re.match(r"(DONE|CACHED|transferring)\b", line)
    ]
    failed = next((line for line in reversed(lines) if line.startswith("ERROR:")), "")
    return "the image could not be built; its last lines:\n" + "\n".join(
        f"  {line}" for line in [*shown[-12:], failed] if line
    )


def run_in(
    image: str, command: tuple[str, ...], *, user: str = "12345:12345", environment: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Runs a command in a container as CWL runners do: any uid, read-only root, no network; code, stdout, stderr."""
    variables = [word for name, value in (environment or {}).items() for word in ("--env", f"{name}={value}")]
    done = run(
        ("docker", "run", "--rm", "--read-only", "--network=none", f"--user={user}", "--tmpfs=/tmp:mode=1777,exec",
         "--workdir=/tmp", "--env=HOME=/tmp", *variables, "--", image, *command),
        timeout=300,
    )  # fmt: skip
    return done.code, done.stdout, done.stderr
