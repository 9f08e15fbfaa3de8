"""The OCI configuration of an image: its repository folder, start script, and entrypoint."""

from __future__ import annotations

from collections.abc import Mapping

default_repository_folder = "/home/jovyan"
_LAUNCH = ("/opt/packmill/bin/packmill-launch", "-C")
_SEARCHED = {"PATH", "VIRTUAL_ENV", "PYTHONHOME", "JUPYTER_PATH", "JUPYTER_DATA_DIR", "XDG_DATA_HOME"}


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


def entrypoint(config: Mapping[str, object]) -> tuple[str, ...]:
    """Return the ENTRYPOINT of the image with a runner, empty without one.

    repo2docker's is replaced, because it merges stderr into stdout; an image's own runs in the image's WORKDIR, where
    it may have files, and gets the runner's working folder.
    """
    own = _strings(config.get("Entrypoint"))
    of_repo2docker = any("repo2docker-entrypoint" in word for word in own)
    if of_repo2docker or any(variable.startswith("R2D_ENTRYPOINT=") for variable in _strings(config.get("Env"))):
        return ("/opt/packmill/bin/packmill-entrypoint",)
    return (*_LAUNCH, str(config.get("WorkingDir") or "/"), *own) if own else ()


def launched(config: Mapping[str, object]) -> tuple[str, ...]:
    """Return the ENTRYPOINT of its own that an image with a runner starts, empty without one."""
    words = tuple(_strings(config.get("Entrypoint")))
    return words[len(_LAUNCH) + 1 :] if words[: len(_LAUNCH)] == _LAUNCH else ()


def command(config: Mapping[str, object]) -> tuple[str, ...]:
    """Return the image's own CMD, which an ENTRYPOINT of a later layer resets (Dockerfile reference, "CMD")."""
    return tuple(_strings(config.get("Cmd"))) if _strings(config.get("Entrypoint")) else ()


def home_of_user(config: Mapping[str, object]) -> dict[str, str]:
    """Return the user of an image, and the user's home folder if the image has HOME."""
    homes = [word.removeprefix("HOME=") for word in _strings(config.get("Env")) if word.startswith("HOME=/")]
    return {"user": str(config.get("User") or "root"), **({"home": homes[-1]} if homes else {})}


def search_variables(config: Mapping[str, object]) -> dict[str, str]:
    """Return the variables of an image by which programs, kernels and Python packages are found."""
    pairs = (variable.partition("=") for variable in _strings(config.get("Env")))
    return {name: value for name, _, value in pairs if name in _SEARCHED}


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []
