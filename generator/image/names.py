"""The image: what it is called, what it is labelled with, what it is made of, and when it is the same again.

Pure: the texts and values here are carried out by `generator.containers.engine`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from generator import __version__
from generator.resources import data_folder, render

default_base_image = "docker.io/library/python:3.12-slim-bookworm"
default_repository_folder = "/home/jovyan"
key_label = "org.packmill.key"
source_label = "org.opencontainers.image.source"
repository_label = "org.packmill.repository"
"""``beside`` on environments that hold nothing of the repository; on others it may be ``inside``."""
settled = 315532800
"""The time of files that do not depend on a commit: 1980-01-01, the oldest that a zip file can hold."""

_package = Path(__file__).parents[1]
_travelling_folders = ("notebook", "runner", "shared", "staging")


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What an image is built from."""

    address: str
    owner: str
    name: str
    checkout: str
    commit: str
    title: str
    time: datetime


own_environment = "repository"
"""What identifies the environment when none was asked for."""


def reference(source: Source, *, environment: str = own_environment) -> str:
    """``<owner>.<name>:<checkout>-<short commit>-<digest>`` in the characters that an image reference may have.

    The words are for people: several repositories and checkouts may share them. The digest, 64 bits of address, whole
    commit and environment, tells images apart.

    The repository part is lower case; a checkout that is the commit itself is not named twice (OCI distribution
    specification, "Pulling manifests": name and tag).
    """
    path = re.sub(r"[^a-z0-9._-]+", "-", f"{source.owner}.{source.name}".lower().replace("/", "."))
    path = re.sub(r"[._-]*\.[._-]*", ".", re.sub(r"-*_+-*", "_", path))[-100:].strip("._-") or "local"
    short = source.commit[:12]
    asked = re.sub(r"[^A-Za-z0-9_.-]+", "-", source.checkout).strip(".-")[:90]
    tag = short if not asked or source.commit.startswith(source.checkout) else f"{asked}-{short}"
    return f"{path}:{tag}-{digest_of(source.address, source.commit, environment)[:16]}"


def pushed_reference(registry: str, reference: str) -> str:
    """The name of an image below a registry; an image's own registry gives way."""
    first, slash, rest = reference.partition("/")
    own = rest if slash and ("." in first or ":" in first or first == "localhost") else reference
    return f"{registry}/{own}" if ":" in own.rpartition("/")[2] else f"{registry}/{own}:latest"


def environment_reference(key: str) -> str:
    """The name of an environment in the engine's store. ``localhost`` can be no registry that anyone pulls from."""
    return f"localhost/packmill/environment:{key[:24]}"


def runner_reference(key: str) -> str:
    """The name of the runner's image."""
    return f"localhost/packmill/runner:{key[:24]}"


def staging_reference(base_image: str | None) -> str:
    """Name of the staging image in documents: the same for all builds by one packmill on one choice of base.

    It needs no engine, so that documents written without an image name it, too.
    """
    made_of = digest_of(__version__, runner_digest(), _staging_text(), base_image or "")
    return f"localhost/packmill/staging:{_tag(__version__)}-{made_of[:12]}"


def staging_key(runner: str, *, base_id: str) -> str:
    """Identify the content of a staging image: its runner image and its base."""
    return digest_of(_staging_text(), runner, base_id)


def staging_store_reference(key: str) -> str:
    """Name of a staging image by its content, in the engine's store."""
    return f"localhost/packmill/staging:{key[:24]}"


def pushed_staging_name(key: str) -> str:
    """Name of a staging image below the registry that it is pushed to."""
    return f"packmill-staging:{_tag(__version__)}-{key[:12]}"


def _staging_text() -> str:
    return (data_folder("templates") / "image" / "staging" / "Dockerfile").read_text(encoding="utf-8")


def _tag(version: str) -> str:
    """A version in the characters of a tag, which has no ``+`` (distribution specification, "Pulling manifests")."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", version)


def cached_reference(cache: str, reference: str) -> str:
    """The name of such an image in a registry that is used as a cache."""
    return reference.replace("localhost/packmill", cache, 1)


def digest_of(*parts: str) -> str:
    """A key made of everything that it depends on."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def key(source: Source, *, environment: str) -> str:
    """What decides whether an image is the same again: address, commit, environment and packmill itself."""
    last = (
        (data_folder("templates") / "image" / name).read_text(encoding="utf-8") for name in ("Dockerfile", "place.py")
    )
    return digest_of(source.address, source.commit, environment, __version__, runner_digest(), *last)


def runner_key(facts: Facts, *, made_in: str) -> str:
    """What decides whether the runner's image is the same again: packmill itself, and the Pythons that it is for.

    ``made_in`` says whose programs make it, because these could make it otherwise than asked: a base image's, whose
    runner is everybody's on that base, or a repository's own, whose runner is its own.
    """
    return digest_of(__version__, runner_digest(), made_in, *facts.texts())


def labels(source: Source, image_key: str) -> dict[str, str]:
    """The OCI annotations of the image (opencontainers/image-spec, annotations.md), and packmill's own."""
    return {
        source_label: source.address,
        "org.opencontainers.image.revision": source.commit,
        "org.opencontainers.image.title": f"{source.owner}/{source.name}",
        "org.opencontainers.image.created": source.time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z"),
        "org.opencontainers.image.version": source.checkout,
        "org.packmill.version": __version__,
        key_label: image_key,
    }


def runner_files() -> dict[str, Path]:
    """The part of packmill that travels into the image, by its path there."""
    files = {"__init__.py": _package / "__init__.py"}
    for folder in _travelling_folders:
        for path in sorted((_package / folder).rglob("*")):
            if path.is_file() and path.suffix in (".py", ".sh") and "__pycache__" not in path.parts:
                files[str(path.relative_to(_package))] = path
    return files


def runner_digest() -> str:
    """Changes when anything changes that the runner's layers are made of."""
    digest = hashlib.sha256()
    for name, path in [*sorted(runner_files().items()), *((path.name, path) for path in runner_texts())]:
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def runner_texts() -> list[Path]:
    """How the runner's layers are made: scripts, locks, and the programs that start it."""
    return sorted(path for path in (data_folder("templates") / "image" / "runner").iterdir() if path.is_file())


def repository_folder(config: Mapping[str, object]) -> str:
    """Where the repository lies in an image, from the image's configuration.

    repo2docker's build packs say so in REPO_DIR; a Dockerfile of one's own usually copies it to its WORKDIR.
    """
    for variable in _strings(config.get("Env")):
        if variable.startswith("REPO_DIR=/"):
            return variable.removeprefix("REPO_DIR=").rstrip("/") or default_repository_folder
    workdir = str(config.get("WorkingDir") or "/")
    return workdir.rstrip("/") if workdir.rstrip("/") not in ("", "/root") else default_repository_folder


def start_script(config: Mapping[str, object]) -> str:
    """The repository's ``start`` by its path there, empty when it has none (repo2docker's R2D_ENTRYPOINT)."""
    top = f"R2D_ENTRYPOINT={repository_folder(config)}/"
    return next((word.removeprefix(top) for word in _strings(config.get("Env")) if word.startswith(top)), "")


def keeps_entrypoint(config: Mapping[str, object]) -> bool:
    """Whether an image's ENTRYPOINT stays: repo2docker's is replaced, because it merges stderr into stdout."""
    of_repo2docker = any("repo2docker-entrypoint" in word for word in _strings(config.get("Entrypoint")))
    has_start_script = any(variable.startswith("R2D_ENTRYPOINT=") for variable in _strings(config.get("Env")))
    return not of_repo2docker and not has_start_script


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the runner's layer depends on, of an environment.

    ``runner_python`` is the path of the Python that runs the runner, empty when there is none that can;
    ``kernel_python`` the name on PATH of the Python that needs a kernel, empty when it has one or is not there. The
    others tell apart what packages are chosen by. A repository's environment says all that itself, so it is checked to
    be words that mean nothing to a shell.
    """

    runner_python: str = ""
    runner_version: str = ""
    kernel_python: str = ""
    kernel_version: str = ""
    machine: str = ""
    libc: str = ""

    def texts(self) -> tuple[str, ...]:
        """All of them, in their order."""
        return (
            self.runner_python, self.runner_version, self.kernel_python, self.kernel_version, self.machine, self.libc
        )  # fmt: skip


def read_facts(printed: str) -> Facts:
    """The facts in what ``templates/image/probe.sh`` printed; what cannot be meant is left out."""
    said = {words[0]: words[1:] for words in map(str.split, printed.splitlines()) if words}
    path, version, machine, libc = (*said.get("runner", ()), "", "", "", "")[:4]
    name, kernel = (*said.get("kernel", ()), "", "")[:2]
    if not re.fullmatch(r"/[\w./+-]+", path) or not all(map(_is_word, (version, machine, libc))):
        path = version = machine = libc = ""
    if name not in ("python3", "python") or not _is_word(kernel):
        name = kernel = ""
    return Facts(
        runner_python=path,
        runner_version=version,
        machine=machine,
        libc=libc,
        kernel_python=name,
        kernel_version=kernel,
    )


def _is_word(text: str) -> bool:
    return bool(re.fullmatch(r"[\w.+-]*", text))


def runner_dockerfile(facts: Facts, *, builder: str, kernel_command: str, cache: str) -> str:
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


def staging_dockerfile(*, base: str, runner: str, key: str) -> str:
    """The Dockerfile of the staging image."""
    return render(
        "image/staging/Dockerfile", base=base, runner=runner, version=__version__, key_label=key_label, key=key
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
