"""The OCI configuration of an image: its repository folder, start script, and entrypoint."""

from __future__ import annotations

from collections.abc import Mapping

default_repository_folder = "/home/jovyan"


def repository_folder(config: Mapping[str, object]) -> str:
    """Return the folder of the repository in an image with this configuration.

    repo2docker's build packs set REPO_DIR; a custom Dockerfile usually copies the repository to its WORKDIR.
    """
    for variable in _strings(config.get("Env")):
        if variable.startswith("REPO_DIR=/"):
            return variable.removeprefix("REPO_DIR=").rstrip("/") or default_repository_folder
    workdir = str(config.get("WorkingDir") or "/")
    return workdir.rstrip("/") if workdir.rstrip("/") not in ("", "/root") else default_repository_folder


def start_script(config: Mapping[str, object]) -> str:
    """Return the path of ``start`` within the repository, empty without one (repo2docker's R2D_ENTRYPOINT)."""
    top = f"R2D_ENTRYPOINT={repository_folder(config)}/"
    return next((word.removeprefix(top) for word in _strings(config.get("Env")) if word.startswith(top)), "")


def keeps_entrypoint(config: Mapping[str, object]) -> bool:
    """Check whether an image keeps its ENTRYPOINT: repo2docker's is replaced, because it merges stderr into stdout."""
    of_repo2docker = any("repo2docker-entrypoint" in word for word in _strings(config.get("Entrypoint")))
    has_start_script = any(variable.startswith("R2D_ENTRYPOINT=") for variable in _strings(config.get("Env")))
    return not of_repo2docker and not has_start_script


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []
