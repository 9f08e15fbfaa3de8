"""Secrets in files, as container engines and systemd hand them to services: ``NAME_FILE`` instead of ``NAME``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from generator.shared.errors import UsageError

secrets = (
    "PACKMILL_CI_TRIGGER_TOKEN",
    "PACKMILL_CI_ACCESS_TOKEN",
    "PACKMILL_DATABASE",
    "PACKMILL_DEPLOY_TOKEN",
    "PACKMILL_GIT_TOKEN",
    "PACKMILL_PUBLISH_TOKEN",
    "PACKMILL_REGISTRY_PASSWORD",
    "PACKMILL_SIGN_KEY",
    "PACKMILL_SIGN_PASSWORD",
)
"""Variables whose value may be in the file that the variable with the ending ``_FILE`` names."""
_LARGEST = 64 << 10


def with_secret_files(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the values of secret files, and without the names of the files.

    A value ends before the line breaks at the end of its file.

    Raises:
        UsageError: a variable has a value and a file, or its file cannot be read, is empty or is larger than 64 KiB.
    """
    read = dict(environment)
    for name in secrets:
        file = read.pop(f"{name}_FILE", "")
        if file and read.get(name):
            raise UsageError(f"{name}_FILE: {name} is set too; set one of them")
        if file:
            read[name] = _read(f"{name}_FILE", Path(file))
    return read


def secret_paths(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files that hold secrets of a service, and the folder of its credentials (systemd.exec(5))."""
    named = (environment.get(f"{name}_FILE", "") for name in secrets)
    return tuple(Path(path).absolute() for path in (*named, environment.get("CREDENTIALS_DIRECTORY", "")) if path)


def _read(variable: str, file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            text = opened.read(_LARGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "") or "not UTF-8 text"
        raise UsageError(f"{variable}={file}: {reason}; name a file that this user can read") from None
    value = text.rstrip("\r\n")
    if not value or len(text) > _LARGEST:
        raise UsageError(f"{variable}={file}: {'larger than 64 KiB' if value else 'empty'}; write the secret to it")
    return value
