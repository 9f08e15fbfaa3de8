"""Read the settings of an operator from environment variables, the only place that does."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from generator.network.address_policy import (
    AddressPolicy,
    any_destination,
    any_platform,
    any_registry,
    any_repository,
    check_submodules,
)
from generator.repository.destination import default_branch
from generator.repository.fetch_limits import FetchLimits, usual_limits
from generator.repository.process_folders import default_process
from generator.request.checks import check_registry
from generator.shared.errors import UsageError
from generator.shared.setting_text import is_yes, words
from generator.signing.keys import SigningKey, VerifyingKey, parse_signing_key, parse_verifying_key

_LARGEST_KEY = 64 << 10
"""Characters of a key's file that are read."""

variables = {
    "repository": "git URL or local path of the repository; without it the bundled example is built and run",
    "checkout": "branch, tag or commit (default: the default branch)",
    "process": f"notebook or shell script in the repository; several on separate lines (default: {default_process})",
    "env": "environment instead of the repository's own: a path in the repository or an https URL",
    "parameters_cell": "number of the notebook's cell with the parameters, from 1 (default: the tagged cell)",
    "kernel": "kernel that runs the notebook, by its name in the image (default: the notebook's)",
    "language": "language of the notebook's code (default: the notebook's)",
    "standard_buildpacks": "'yes' builds every environment with repo2docker's own build packs",
    "kernel_gateway": "'yes' adds the Jupyter Kernel Gateway to the image, for its mode jupyter-websocket",
    "no_submodules": "'yes' leaves the folders of git submodules empty",
    "no_cache": "'yes' ignores cached images and layers, and rebuilds from scratch",
    "cores": "processor cores of a run (default: as the notebook states, else 1)",
    "ram": "memory of a run, in MiB or such as 8GB (default: as the notebook states, else 2048)",
    "disk": "disk space of a run, in MiB or such as 50GB (default: as the notebook states, else 1024)",
    "time": "time limit of a run, in seconds or such as 1h30m (default: as the notebook states, else none)",
    "gpu": "GPUs of a run (default: as the notebook states, else none)",
    "output_template": "path of the executed notebook, as a template (default: its own name)",
    "PACKMILL_COMMIT": "commit to build, for later stages of a pipeline (default: the checkout's current commit)",
    "registry": "registry and path that the image is pushed to; the documents then name it by digest",
    "destination": "git URL of the repository that the package is deposited in, at its path below packages/",
    "destination_branch": f"branch of that repository (default: {default_branch})",
    "destination_address": "address of deposited files, with {branch} and {path} (default: the host's usual one)",
    "deploy": "address of a platform with OGC API - Processes that the package is deployed to; needs 'registry'",
    "output": "folder for packages (default: packages)",
    "emit": "documents to write as well, separated by spaces: airflow, maap, ro-crate",
    "scatter": "inputs that scatter.cwl scatters over, separated by spaces (default: the only staged input)",
    "replace": "'yes' replaces a package or an image of another repository or process that has the same place",
    "package": "for the stages 'run' and 'map': number of the CI job whose package is run",
    "package_process": "for the stages 'run' and 'map': path of the process, if that job has packages of several",
    "inputs": "for the stages 'run' and 'map': values for the inputs, in YAML or JSON (default: inputs.yml)",
    "table": "for the stage 'map': table of inputs among the project's generic packages, as NAME/VERSION/FILE",
    "product": "for the stage 'map': NAME=A,B,C or NAME=FIRST..LAST on separate lines, in place of 'table'",
    "values": "for the stage 'map': NAME=VALUE for all rows, on separate lines",
    "row_retries": "for the stage 'map': further attempts at a row that ran out of memory (default: none)",
    "max_failures": "for the stage 'map': failed rows after which no further row starts (default: any number)",
    "resume": "for the stage 'map': number of an earlier job with this table, whose good rows are kept",
    "PACKMILL_BASE_IMAGE": "base image for environments without a Dockerfile; {python} is the requested version",
    "PACKMILL_CACHE_REGISTRY": "registry and path that caches environments and runners",
    "PACKMILL_GIT_TOKEN": "token for private https repositories; used only for the requested repository",
    "PACKMILL_GIT_HOST": "the one host that gets PACKMILL_GIT_TOKEN (default: the repository's host)",
    "PACKMILL_SUBMODULES": "submodules that get credentials: 'owner', 'host' or addresses (default: none)",
    "PACKMILL_REPOSITORY_SIZE": "MiB that a repository may take, with history and submodules (default: 20480)",
    "PACKMILL_REPOSITORY_TIME": "seconds that fetching a repository may take (default: 3600)",
    "PACKMILL_REPOSITORIES": "repositories that may be named: hosts, host/path or URLs (default: any, see docs/ci.md)",
    "PACKMILL_DESTINATIONS": "destinations that may be named, in the same form",
    "PACKMILL_REGISTRIES": "registries that may be named, in the same form",
    "PACKMILL_PLATFORMS": "platforms that may be named, in the same form",
    "PACKMILL_LOCAL_REPOSITORIES": "'no' refuses local repositories and files",
    "PACKMILL_REGISTRY_USER": "user of the registry, if 'docker login' was not used",
    "PACKMILL_REGISTRY_PASSWORD": "password or token of that user",
    "PACKMILL_REGISTRY_HOST": "the one registry that gets this user and password (default: any requested registry)",
    "PACKMILL_PUBLISH_TOKEN": "token for a destination by https",
    "PACKMILL_PUBLISH_HOST": "the one host that gets PACKMILL_PUBLISH_TOKEN (default: the destination's host)",
    "PACKMILL_DEPLOY_TOKEN": "bearer token for the platform of 'deploy'",
    "PACKMILL_DEPLOY_HOST": "the one host that gets PACKMILL_DEPLOY_TOKEN (default: the platform's host)",
    "PACKMILL_SIGN_KEY": "private key that signs pushed images, or the path of its file",
    "PACKMILL_SIGN_PASSWORD": "password of that key, if it is encrypted",
    "PACKMILL_STAGE_GUARD": "'1' limits staging steps to public addresses, in packages and in runs",
    "PACKMILL_STAGE_ALLOW": "networks and hosts that the guard allows, separated by spaces",
    "PACKMILL_RUN_MEMORY": "MiB of memory for a container of a run (default: three quarters of the machine's)",
    "PACKMILL_RUN_CPUS": "processors for a container of a run (default: all)",
    "PACKMILL_RUN_PROCESSES": "processes and threads in a container of a run (default: 4096)",
    "PACKMILL_RUN_OUTPUT": "MiB that a container of a run may write (default: 102400, or the package's disk space)",
    "PACKMILL_RUN_FILES": "files and folders that a container of a run may write (default: 1000000)",
    "PACKMILL_CONTAINER_LABEL": "value of the label org.packmill.job on the containers of a job (default: none)",
    "PACKMILL_NETWORK": "'guarded' blocks private networks for builds and steps, 'open' does not (default: as guard)",
    "PACKMILL_NETWORK_ALLOW": "networks and hosts that builds and steps may reach anyway, separated by spaces",
    "PACKMILL_CONFINED": "'1' in confined jobs of 'packmill serve', which cannot install or start an engine",
    "PACKMILL_VENV": "virtual environment with packmill's dependencies (default: .venv, created if missing)",
    "DOCKER_HOST": "address of the container engine, as for Docker itself",
}
"""Every variable that build.sh reads; its description appears in ``--help``, docs/reference.md and .gitlab-ci.yml."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """An operator's settings: secrets, address policies, limits and the base image."""

    git_token: str = field(default="", repr=False)
    git_host: str = ""
    publish_token: str = field(default="", repr=False)
    publish_host: str = ""
    deploy_token: str = field(default="", repr=False)
    deploy_host: str = ""
    local_repositories: bool = True
    registry_user: str = ""
    registry_password: str = field(default="", repr=False)
    registry_host: str = ""
    sign_key: SigningKey | None = None
    base_image: str | None = None
    cache_registry: str | None = None
    docker_host: str | None = None
    confined: bool = False
    gitlab_job: bool = False
    stage_guard: bool = False
    stage_allow: tuple[str, ...] = ()
    run_memory: int = 0
    run_cpus: float = 0.0
    run_processes: int = 0
    run_output: int = 0
    run_files: int = 0
    container_label: str = ""
    network: str = ""
    network_allow: tuple[str, ...] = ()
    repositories: AddressPolicy = any_repository
    destinations: AddressPolicy = any_destination
    registries: AddressPolicy = any_registry
    platforms: AddressPolicy = any_platform
    submodules: tuple[str, ...] = ()
    fetch_limits: FetchLimits = usual_limits

    @property
    def walled(self) -> bool:
        """Whether builds and steps are kept from private networks; by default where the guard is on."""
        return self.network == "guarded" or (not self.network and self.stage_guard)

    @property
    def guard_variables(self) -> tuple[str, ...]:
        """The variables that turn the guard on for a step in a container."""
        if not self.stage_guard:
            return ()
        return ("PACKMILL_STAGE_GUARD", "PACKMILL_STAGE_ALLOW") if self.stage_allow else ("PACKMILL_STAGE_GUARD",)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings from environment variables.

    Raises:
        UsageError: a variable has an invalid value.
    """
    local = environment.get("PACKMILL_LOCAL_REPOSITORIES", "") != "no"
    guard, allow = is_yes(environment.get("PACKMILL_STAGE_GUARD", "")), _words(environment, "PACKMILL_STAGE_ALLOW")

    def policy(usual: AddressPolicy) -> AddressPolicy:
        listed = _words(environment, usual.variable)
        return replace(usual, listed=listed, guarded=guard or not local, reachable=allow)

    return Settings(
        git_token=environment.get("PACKMILL_GIT_TOKEN", ""),
        git_host=environment.get("PACKMILL_GIT_HOST", ""),
        publish_token=environment.get("PACKMILL_PUBLISH_TOKEN", ""),
        publish_host=environment.get("PACKMILL_PUBLISH_HOST", ""),
        deploy_token=_header_text(environment, "PACKMILL_DEPLOY_TOKEN"),
        deploy_host=environment.get("PACKMILL_DEPLOY_HOST", ""),
        local_repositories=local,
        registry_user=environment.get("PACKMILL_REGISTRY_USER", ""),
        registry_password=environment.get("PACKMILL_REGISTRY_PASSWORD", ""),
        registry_host=environment.get("PACKMILL_REGISTRY_HOST", ""),
        sign_key=_sign_key(environment),
        base_image=environment.get("PACKMILL_BASE_IMAGE") or None,
        cache_registry=check_registry(cache) if (cache := environment.get("PACKMILL_CACHE_REGISTRY", "")) else None,
        docker_host=environment.get("DOCKER_HOST") or None,
        confined=is_yes(environment.get("PACKMILL_CONFINED", "")),
        gitlab_job=environment.get("GITLAB_CI") == "true",
        stage_guard=guard,
        stage_allow=allow,
        repositories=policy(any_repository),
        destinations=policy(any_destination),
        registries=policy(any_registry),
        platforms=policy(any_platform),
        submodules=check_submodules(_words(environment, "PACKMILL_SUBMODULES")),
        fetch_limits=_fetch_limits(environment),
        run_memory=int(_positive(environment, "PACKMILL_RUN_MEMORY")),
        run_cpus=_positive(environment, "PACKMILL_RUN_CPUS"),
        run_processes=int(_positive(environment, "PACKMILL_RUN_PROCESSES")),
        run_output=math.ceil(_positive(environment, "PACKMILL_RUN_OUTPUT")),
        run_files=int(_positive(environment, "PACKMILL_RUN_FILES")),
        container_label=_label(environment.get("PACKMILL_CONTAINER_LABEL", "")),
        network=_network(environment.get("PACKMILL_NETWORK", "")),
        network_allow=_words(environment, "PACKMILL_NETWORK_ALLOW"),
    )


def _sign_key(environment: Mapping[str, str]) -> SigningKey | None:
    key = environment.get("PACKMILL_SIGN_KEY", "")
    return read_signing_key(key, environment, where="PACKMILL_SIGN_KEY") if key else None


def read_signing_key(key: str, environment: Mapping[str, str], *, where: str) -> SigningKey:
    """Read the key that signs images: a text in PEM, or the path of a file with one.

    ``where`` names the variable or the option in errors, which never show its value: a part of a key could be in it.

    Raises:
        UsageError: the file cannot be read, or the key cannot be used.
    """
    text = key if "-----BEGIN" in key else _read_key(Path(key), where=where)
    return parse_signing_key(text, environment.get("PACKMILL_SIGN_PASSWORD", ""), where=where)


def read_verifying_key(file: Path) -> VerifyingKey:
    """Read the public key that images are verified with.

    Raises:
        UsageError: the file cannot be read, or is not a public key.
    """
    return parse_verifying_key(_read_key(file, where=str(file)), where=str(file))


def _read_key(file: Path, *, where: str) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(_LARGEST_KEY)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", "") or "not a text"
        raise UsageError(f"{where}: the key cannot be read: {reason}; name a file with a key in PEM") from None


def _fetch_limits(environment: Mapping[str, str]) -> FetchLimits:
    size = _positive(environment, "PACKMILL_REPOSITORY_SIZE") or usual_limits.size
    seconds = _positive(environment, "PACKMILL_REPOSITORY_TIME") or usual_limits.seconds
    return FetchLimits(size=math.ceil(size), seconds=seconds)


def _words(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return words(environment.get(name, ""))


def _header_text(environment: Mapping[str, str], name: str) -> str:
    """Read a secret that is sent in the header of a request; the error does not show it.

    Raises:
        UsageError: the text has characters other than those of a header (RFC 9110, 5.5).
    """
    text = environment.get(name, "").strip()
    if not text.isascii() or not text.isprintable():
        raise UsageError(f"{name}: has line breaks or characters other than ASCII; set it to the token alone")
    return text


def _network(value: str) -> str:
    """Check the value of PACKMILL_NETWORK; empty when it is not set.

    Raises:
        UsageError: the value is unknown.
    """
    plain = value.strip().lower()
    if plain not in ("", "guarded", "open"):
        raise UsageError(f"PACKMILL_NETWORK: unknown value {value!r}; use 'guarded' or 'open'")
    return plain


def _positive(environment: Mapping[str, str], name: str) -> float:
    """Read a number above zero; 0 when the variable is not set."""
    text = environment.get(name, "").strip()
    if text and not (re.fullmatch(r"\d{1,9}(\.\d{1,3})?", text) and float(text) > 0):
        raise UsageError(f"{name}: {text!r} is not a number above zero; unset it for the default")
    return float(text or 0)


def _label(text: str) -> str:
    """Check the value of a label; no other option of the engine can be hidden in it."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,128}", text):
        raise UsageError(f"PACKMILL_CONTAINER_LABEL: {text!r} has characters other than letters, digits, '.', '_', '-'")
    return text
