"""What was asked for: from arguments or from CI variables. The only reader of the environment."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from generator.errors import ProcessError, UsageError
from generator.path_templates import check_template
from generator.repository import Repository, check_checkout, parse_repository

default_process = "process.ipynb"
variables = {
    "repository": "git URL or local path of the repository; without it the bundled example is built and run",
    "checkout": "branch, tag or commit (default: the default branch)",
    "process": f"notebook or shell script, relative to the repository's top (default: {default_process})",
    "env": "environment instead of the repository's own: a path in the repository or an https URL",
    "output_template": "where a run puts the executed notebook, as a template (default: its own name)",
    "registry": "registry and path that the image is pushed to; the documents then name it by digest",
    "output": "folder for packages (default: packages)",
    "PACKMILL_BASE_IMAGE": "base image for environments without a Dockerfile",
    "PACKMILL_GIT_TOKEN": "token for private https repositories",
    "PACKMILL_REGISTRY_USER": "user of the registry, where 'docker login' has not been called",
    "PACKMILL_REGISTRY_PASSWORD": "password or token of that user",
    "DOCKER_HOST": "address of the container engine, as for Docker itself",
}
"""Every variable that build.sh reads, and what for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What the surroundings say: secrets, the base image, and whether a GitLab job's log is being written."""

    git_token: str = field(default="", repr=False)
    registry_user: str = ""
    registry_password: str = field(default="", repr=False)
    base_image: str | None = None
    docker_host: str | None = None
    gitlab_job: bool = False


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in the environment."""
    return Settings(
        git_token=environment.get("PACKMILL_GIT_TOKEN", ""),
        registry_user=environment.get("PACKMILL_REGISTRY_USER", ""),
        registry_password=environment.get("PACKMILL_REGISTRY_PASSWORD", ""),
        base_image=environment.get("PACKMILL_BASE_IMAGE") or None,
        docker_host=environment.get("DOCKER_HOST") or None,
        gitlab_job=environment.get("GITLAB_CI") == "true",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildRequest:
    """A package that is to be built."""

    repository: Repository
    checkout: str | None
    processes: tuple[str, ...]
    environment: str | None
    output: Path
    image: str | None = None
    build_image: bool = True
    network: bool = False
    output_template: str | None = None
    registry: str | None = None


def build_request(
    repository: str,
    *,
    checkout: str | None = None,
    processes: tuple[str, ...] = (),
    environment: str | None = None,
    output: Path = Path("packages"),
    image: str | None = None,
    build_image: bool = True,
    network: bool = False,
    output_template: str | None = None,
    registry: str | None = None,
) -> BuildRequest:
    """A checked request.

    Raises:
        UsageError, RepositoryError, ProcessError: something in it cannot be meant.
    """
    if output_template:
        check_template(output_template)
    if registry and not build_image:
        raise UsageError("an image is pushed only when it is built: leave out either --push or --no-image")
    return BuildRequest(
        repository=parse_repository(repository),
        checkout=check_checkout(checkout) if checkout else None,
        processes=tuple(dict.fromkeys(process_name(process) for process in processes)) or (default_process,),
        environment=environment or None,
        output=output,
        image=check_reference(image) if image else None,
        build_image=build_image,
        network=network,
        output_template=output_template or None,
        registry=check_registry(registry) if registry else None,
    )


def from_variables(environment: Mapping[str, str]) -> BuildRequest | None:
    """The request that CI variables make; None without a repository.

    Raises:
        UsageError: variables are given, but no repository.
    """
    names = ("repository", "checkout", "process", "env", "output_template", "registry", "output")
    value = {name: environment.get(name, "").strip() for name in names}
    if not value["repository"]:
        given = [name for name in ("checkout", "process", "env", "output_template", "registry") if value[name]]
        if given:
            raise UsageError(
                f"the variable {given[0]!r} is set, but 'repository' is not: set it to a git URL or a path"
            )
        return None
    return build_request(
        value["repository"],
        checkout=value["checkout"] or None,
        processes=tuple(line.strip() for line in value["process"].splitlines() if line.strip()),
        environment=value["env"] or None,
        output_template=value["output_template"] or None,
        registry=value["registry"] or None,
        output=Path(value["output"] or "packages"),
    )


def process_name(process: str) -> str:
    """A path inside the repository, posix, of a known kind.

    Raises:
        ProcessError: it leaves the repository, or is neither a notebook nor a shell script.
    """
    plain = posixpath.normpath(process.strip())
    if plain.startswith(("/", "..")) or plain == "." or not plain.isprintable():
        raise ProcessError(f"{process!r}: a process is a path inside the repository, relative to its top")
    if not plain.endswith((".ipynb", ".sh")):
        raise ProcessError(f"{process!r}: a process is a notebook (.ipynb) or a shell script (.sh)")
    return plain


def check_registry(text: str) -> str:
    """A registry, with the path below it where images go (distribution/reference, "domain").

    Raises:
        UsageError: it is none; a user and a password do not belong there.
    """
    plain = text.removeprefix("https://").rstrip("/")
    host, _, path = plain.partition("/")
    is_host = re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?", host)
    is_registry = host == "localhost" or "." in host or ":" in host
    if not is_host or not is_registry or (path and not re.fullmatch(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*", path)):
        shown = re.sub(r".*@", "", plain)
        raise UsageError(f"{shown!r} is no registry: write it as registry.example.org/group, without user and password")
    return plain


def check_reference(text: str) -> str:
    """An image's name as asked for, if it can be one (distribution/reference).

    Raises:
        UsageError: it cannot.
    """
    word = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    host, tag, digest = r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?", r"(?::\w[\w.-]{0,127})?", r"(?:@sha256:[0-9a-f]{64})?"
    if not re.fullmatch(rf"{host}{word}(?:/{word})*{tag}{digest}", text):
        raise UsageError(f"{text!r} is no name of an image: write it as registry.example.org/name:tag")
    return text
