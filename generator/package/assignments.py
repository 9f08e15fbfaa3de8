"""Parse values that a person types after ``-p`` by the types of a process."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from generator.notebook.literals import MisfitError, describe
from generator.notebook.parameters import CwlType, Format, Hint, Role
from generator.package.file_objects import local_path, refuse_local_files, resolve
from generator.package.inputs import fit_for_cwl, refuse_record_in_text
from generator.package.job_file import YamlMistakeError, check_value, read_json, read_yaml
from generator.shared import contract
from generator.shared.errors import UsageError
from generator.shared.passing_errors import is_full_disk
from generator.shared.safe_text import printable
from generator.shared.suggestions import did_you_mean

_words = {"True": True, "False": False, "None": None}


def typed_values(
    assignments: Sequence[str], hints: Mapping[str, Hint], folder: Path, only: Path | None = None
) -> dict[str, Any]:
    """Parse ``-p name=value`` by the types in the interface; an array input may be given several times.

    A missing folder for the cache is created, unless ``only`` is given: see `typed_value`.

    Raises:
        UsageError: assignments are invalid; the message lists all of them.
    """
    wrong: list[str] = []
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        hint = hints.get(name)
        if not equals:
            wrong.append(f"{assignment!r}: write it as name=value")
        elif hint is None:
            wrong.append(f"{name}: no such input{did_you_mean(name, hints)}")
        elif hint.secret:
            wrong.append(f"{name} is secret, and other users can read command lines; put it into a job file")
        else:
            try:
                if name == contract.cache_input and only is None:
                    _make_folder(text, folder)
                value = typed_value(text, hint, folder, only)
                if name == "stage_out":
                    refuse_record_in_text(value)
                is_list = hint.array and hint.format is not Format.BBOX and value is not None
                values[name] = [*(values.get(name) or ()), *value] if is_list else value
            except MisfitError as error:
                wrong.append(f"{name} {error}")
    if wrong:
        known = ", ".join(hints) or "none"
        raise UsageError("\n".join([*map(printable, wrong), f"inputs: {known}"]))
    return values


def _make_folder(text: str, folder: Path) -> None:
    path = local_path(resolve({"class": "Directory", "path": text}, folder))
    if path is not None and not text.lstrip().startswith("{"):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if is_full_disk(error):
                raise
            raise MisfitError(f"is {text!r}, and the folder cannot be created: {error.strerror}") from None


def typed_value(text: str, hint: Hint, folder: Path, only: Path | None = None) -> Any:
    """Parse one value of a command line.

    A value without a type is JSON, or YAML in brackets or braces; other text stays as it is.

    ``only`` is the one folder of this machine whose files the value may have. Whether others exist makes no difference.

    Raises:
        MisfitError: the text is not a value of this type, or has a file outside of ``only``.
    """
    if hint.optional and text == "null" and (hint.format or not (hint.array or hint.type is CwlType.STRING)):
        return None
    if hint.format is Format.BBOX:
        return fit_for_cwl(text, hint)
    if hint.array:
        item_hint = replace(hint, array=False, optional=False)
        if not text.lstrip().startswith("["):
            return [_typed_text(text, item_hint, folder, only)]
        items = read_yaml(text, finite=False)
        if not isinstance(items, list):
            raise MisfitError(f"is {text!r}, but a list is needed, such as [1, 2]")
        return [_typed_scalar(item, item_hint, folder, only) for item in items]
    return _typed_text(text, hint, folder, only)


def refuse_outside(value: Any, only: Path) -> None:
    """Refuse files of this machine that are not in the folder ``only``.

    Raises:
        MisfitError: the value has one.
    """
    try:
        refuse_local_files(value, only)
    except UsageError as error:
        raise MisfitError(f"is not allowed: {error}") from None


def _typed_text(text: str, hint: Hint, folder: Path, only: Path | None) -> Any:
    if hint.type is CwlType.ANY:
        return None if hint.optional and not text else check_value(_any_value(text), folder)
    return _typed_scalar(text, hint, folder, only)


def _any_value(text: str) -> Any:
    """Read a value without a type: JSON, Python's words, and YAML in brackets or braces; other text stays as it is.

    Other YAML would lose text: it reads ``Run #5`` as ``Run``, and ``012`` as a number.
    """
    if text in _words:
        return _words[text]
    is_collection = text.lstrip().startswith(("[", "{"))
    try:
        return read_yaml(text, finite=False) if is_collection else read_json(text)
    except YamlMistakeError:
        return text


def _typed_scalar(value: Any, hint: Hint, folder: Path, only: Path | None) -> Any:
    if hint.type in (CwlType.FILE, CwlType.DIRECTORY):
        return _typed_file(value, hint, folder, only)
    return check_value(fit_for_cwl(value, hint), folder)


def _typed_file(value: Any, hint: Hint, folder: Path, only: Path | None) -> Any:
    """Parse a file of a command line: a path, a URL, or an object in YAML or JSON, which `check_job` checks."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")) and not _exists(folder / value, only):
        value = read_yaml(value)
    if isinstance(value, dict):
        return check_value(value, folder)
    if not isinstance(value, str):
        raise MisfitError(f"is {value!r}, but {describe(hint)}, a URL or an object is needed")
    if re.match(r"(?!(?i:file:))[A-Za-z][A-Za-z0-9+.-]*://", value):
        return value if hint.role is Role.STAGE_IN else {"class": str(hint.type), "location": value}
    found = resolve({"class": str(hint.type), "path": value}, folder)
    if only is not None:
        refuse_outside(found, only)  # before anybody looks whether it exists
    path = local_path(found)
    if path is None or not _exists(path, only):
        kind = "folder" if hint.type is CwlType.DIRECTORY else "file"
        raise MisfitError(f"is {value!r}, but this {kind} does not exist")
    if path.is_dir() != (hint.type is CwlType.DIRECTORY):
        kind = "Directory" if path.is_dir() else "File"
        raise MisfitError(f"is {value!r}, which is a {kind}, but {hint.type} is needed")
    return found


def _exists(path: Path, only: Path | None) -> bool:
    try:
        if only is not None:
            refuse_local_files({"class": "File", "path": str(path.absolute())}, only)
        return path.exists()
    except (OSError, ValueError, UsageError):
        return False
