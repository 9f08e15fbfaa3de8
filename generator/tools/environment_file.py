"""An environment that was asked for instead of the repository's own: a file of the repository, or one behind a URL."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from generator.environment import configuration_name
from generator.errors import EnvironmentSpecError
from generator.process import inside
from generator.repository import redacted

_SIZE_LIMIT = 1024**2
_TIMEOUT = 60.0


def place(asked: str, folder: Path) -> str:
    """Puts the file into the checkout's ``.binder`` folder, alone, and gives what identifies its content.

    repo2docker looks there first and then nowhere else, so no other file of the repository has a say.

    Raises:
        EnvironmentSpecError: there is no such file, it cannot be fetched, or repo2docker does not read such a file.
    """
    unfit = ("pyproject.toml", "setup.py")
    if asked.endswith(unfit):
        raise EnvironmentSpecError(f"{redacted(asked)}: {' and '.join(unfit)} only count at the repository's own top")
    if "://" in asked:
        name, content = configuration_name(asked.partition("?")[0].partition("#")[0]), _fetch(asked)
    else:
        content, name = _read(asked, folder), configuration_name(asked)
    for binder in ("binder", ".binder"):
        if (folder / binder).is_symlink():
            (folder / binder).unlink()
        shutil.rmtree(folder / binder, ignore_errors=True)
    (folder / ".binder").mkdir()
    (folder / ".binder" / name).write_bytes(content)
    return f"{name} {hashlib.sha256(content).hexdigest()}"


def _read(asked: str, folder: Path) -> bytes:
    file = inside(folder, asked.lstrip("/") if asked.startswith("./") else asked)
    if file is None or not file.is_file():
        raise EnvironmentSpecError(
            f"{asked}: the environment is not in the repository: give a path from its top, or an https URL"
        )
    return file.read_bytes()


def _fetch(url: str) -> bytes:
    import requests

    shown = redacted(url)
    if not url.startswith("https://"):
        raise EnvironmentSpecError(f"{shown}: only https is used to fetch an environment")
    try:
        with requests.get(url, timeout=_TIMEOUT, stream=True) as response:
            response.raise_for_status()
            if not response.url.startswith("https://"):
                raise EnvironmentSpecError(f"{shown}: redirects to an address without https")
            content = response.raw.read(_SIZE_LIMIT + 1, decode_content=True)
    except requests.RequestException as error:
        status = f"status {error.response.status_code}" if error.response is not None else type(error).__name__
        raise EnvironmentSpecError(f"{shown}: the environment cannot be fetched: {status}") from None
    if len(content) > _SIZE_LIMIT:
        raise EnvironmentSpecError(f"{shown}: larger than 1 MiB, that is no configuration file")
    if content.lstrip()[:15].lower().startswith((b"<!doctype", b"<html")):
        raise EnvironmentSpecError(f"{shown}: a web page, not a configuration file: use the address of the raw file")
    return bytes(content)
