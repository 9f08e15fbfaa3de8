"""Job files: the values of a run, in YAML or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from generator.errors import UsageError
from generator.literals import MisfitError


def read_job(path: Path) -> dict[str, Any]:
    """A job file, YAML or JSON, with the files in it as absolute paths.

    Raises:
        UsageError: it cannot be read or is no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: the job file cannot be read: {error}") from None
    return job_values(text, path.resolve().parent, name=str(path))


def job_values(text: str, folder: Path, *, name: str) -> dict[str, Any]:
    """The values of a job's text; relative paths are meant from ``folder``, ``name`` is how a message calls it.

    Raises:
        UsageError: it is no mapping.
    """
    try:
        job = read_yaml(text)
    except MisfitError as error:
        raise UsageError(f"{name}: {error}") from None
    if not isinstance(job, dict | None):
        raise UsageError(f"{name}: a job file is a mapping of inputs to values")
    located: dict[str, Any] = _located(job or {}, folder)
    return located


def check_places(value: Any, folder: Path) -> None:
    """Refuses files of this machine that are not in ``folder``, at whatever depth a job names them.

    Raises:
        UsageError: one is named.
    """
    for place in _places(value):
        if not place.startswith(("https://", "http://")) and not _is_below(place, folder):
            raise UsageError(f"{place}: files of this machine are not used here: give an https URL")


def is_inside(value: Any, folder: Path) -> bool:
    """Whether every file that a value names, at whatever depth, lies in ``folder``."""
    return all(_is_below(place, folder) for place in _places(value))


def _places(value: Any) -> list[str]:
    """Where the File and Directory objects of a value lie."""
    if isinstance(value, list):
        return [place for item in value for place in _places(item)]
    if not isinstance(value, dict):
        return []
    is_file = value.get("class") in ("File", "Directory")
    own = [value[key] for key in ("path", "location") if is_file and isinstance(value.get(key), str)]
    return own + [place for item in value.values() for place in _places(item)]


def _is_below(place: str, folder: Path) -> bool:
    top = folder.resolve()
    return "://" not in place and (top / place).resolve().is_relative_to(top)


def read_yaml(text: str) -> Any:
    """YAML as values that JSON has too; a date becomes its text.

    Raises:
        MisfitError: it is not YAML, or holds what JSON cannot say.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        value = YAML(typ="safe").load(text)
        return json.loads(json.dumps(_plain_keys(value), default=_dated, allow_nan=False))
    except (YAMLError, ValueError, TypeError, RecursionError) as error:
        raise MisfitError(f"is not YAML that JSON can say: {str(error).splitlines()[0]}") from None


def _plain_keys(value: Any) -> Any:
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} is no text")
        return {key: _plain_keys(item) for key, item in value.items()}
    return [_plain_keys(item) for item in value] if isinstance(value, list) else value


def _dated(value: Any) -> str:
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _located(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_located(item, folder) for item in value]
    if not isinstance(value, dict):
        return value
    if (
        value.get("class") in ("File", "Directory")
        and isinstance(value.get("path"), str)
        and "://" not in value["path"]
    ):
        return {**value, "path": str(folder / value["path"])}
    return {key: _located(item, folder) for key, item in value.items()}
