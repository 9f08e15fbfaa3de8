"""Check job files against the types of a process, and convert their values for CWL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generator.notebook.literals import MisfitError, fit, require_text
from generator.notebook.parameters import CwlType, Format, Hint, Role
from generator.package.file_objects import (
    address,
    file_objects,
    is_file_object,
    is_inside,
    misnamed_files,
    missing_files,
    unreadable_files,
)
from generator.package.hints import read_hints
from generator.package.job_file import check_value, read_job, read_yaml
from generator.shared import contract
from generator.shared.errors import UsageError
from generator.shared.safe_text import printable
from generator.shared.staging_records import is_record_in_text
from generator.shared.suggestions import did_you_mean

_INT_32 = 2**31
_MISNAMED = "its name is not UTF-8, and CWL engines cannot open it; rename it, or the folder"


def fit_for_cwl(value: Any, hint: Hint) -> Any:
    """Convert a value to a type of CWL, which has integers of 32 bits; a number is not a string: YAML changed it.

    Raises:
        MisfitError: the value does not fit.
    """
    require_text(value, hint)
    fitted = fit(value, hint)
    if hint.format is Format.GEOJSON and hint.type is CwlType.STRING:
        return _as_text(fitted)
    for item in fitted if isinstance(fitted, list) else [fitted]:
        if hint.type is CwlType.INT and isinstance(item, int) and not -_INT_32 <= item < _INT_32:
            raise MisfitError(f"is {item}, which is too large for an int of 32 bits; declare the parameter as long")
    return fitted


def _as_text(value: Any) -> Any:
    """Write GeoJSON as text: CWL's loader rewrites keys such as ``id`` in an object."""
    if isinstance(value, list | tuple):
        return [_as_text(item) for item in value]
    return json.dumps(value) if isinstance(value, dict) else value


def missing_values(package: Path) -> list[str]:
    """List the required inputs without a value in the package; files outside the package do not count as values."""
    tool = read_yaml((package / "process.cwl").read_text(encoding="utf-8"))
    given = read_job(package / "inputs.yml")
    hints = read_hints(package)
    secret = {name for name, hint in hints.items() if hint.secret}
    files = {name for name, hint in hints.items() if hint.type in (CwlType.FILE, CwlType.DIRECTORY)}
    missing = []
    for name, one in tool["inputs"].items():
        kind = one.get("type", "Any") if isinstance(one, dict) else one
        optional = (isinstance(kind, str) and kind.endswith("?")) or (isinstance(kind, list) and "null" in kind)
        needed = not optional and not (isinstance(one, dict) and "default" in one)
        value = given.get(name)
        if (
            (needed and (value is None or (name in secret and value == "")))
            or missing_files(value)
            or not is_inside(value, package)
            or (name in files and _holds_text(value))  # an address
        ):
            missing.append(name)
    return missing


def _holds_text(value: Any) -> bool:
    return any(isinstance(item, str) for item in (value if isinstance(value, list) else [value]))


def check_job(job: Mapping[str, Any], hints: Mapping[str, Hint], file: Path) -> dict[str, Any]:
    """Convert the values of a job to their types, without null, which in CWL means "not given".

    Raises:
        UsageError: values are unknown, of the wrong type, or missing files; the message lists all of them.
    """
    wrong: list[str] = []
    fitted: dict[str, Any] = {}
    for name, value in job.items():
        hint = hints.get(name)
        if hint is None:
            wrong.append(f"{name}: no such input{did_you_mean(name, hints)}")
        elif value is not None:
            try:
                fitted[name] = _fit_value(name, check_value(value, file.resolve().parent), hint)
                wrong += [f"{name}: {path} does not exist" for path in missing_files(fitted[name])]
                wrong += [f"{name}: {path}: {_MISNAMED}" for path in misnamed_files(fitted[name])]
                wrong += [f"{name}: {path} may not be read by this user" for path in unreadable_files(fitted[name])]
            except MisfitError as error:
                wrong.append(_explain(name, hint, error))
    if wrong:
        raise UsageError("\n".join([f"{file} does not fit the package", *(f"  {printable(line)}" for line in wrong)]))
    return fitted


def _explain(name: str, hint: Hint, error: MisfitError) -> str:
    """Explain why a value does not fit, without repeating a secret's value."""
    return f"{name}: the secret value is not text; write it in quotes" if hint.secret else f"{name} {error}"


def _fit_value(name: str, value: Any, hint: Hint) -> Any:
    if name == contract.credentials_input and isinstance(value, dict):
        _require_texts(value)
        return json.dumps(value)  # CWL's secrets are text
    if name == "stage_out":
        refuse_record_in_text(value)
        _require_texts(value)
        if isinstance(value, dict) and set(value) == {"path"}:  # cwltool replaces "path" by an address
            return {"folder": value["path"]}
    if hint.role is Role.STAGE_IN:
        refuse_record_in_text(value)
        return _fit_staged(value, hint)
    return _check_file_value(fit_for_cwl(value, hint), hint)


def refuse_record_in_text(value: Any) -> None:
    """Refuse text in place of a record, which would be the name of a local folder; the message has no secrets of it.

    Raises:
        MisfitError: the value is such a text, or a list with one.
    """
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and is_record_in_text(text):
            raise MisfitError("is neither an address nor a record; write a record as {s3_url: ...}, not in quotes")


def _fit_staged(value: Any, hint: Hint) -> Any:
    """Convert a URL, a record, a File or a list of these; a step fetches remote files, not the engine."""
    if isinstance(value, list):
        if not hint.array and any(map(is_file_object, value)):
            raise MisfitError(f"is a list, but one {hint.type} is needed; write it as {_example(hint)}")
        return [_fit_staged(item, hint) for item in value]
    if is_file_object(value):
        is_listable = hint.array and hint.type is CwlType.FILE  # a step lists the files of a folder
        if not is_listable and value["class"] != str(hint.type):
            raise MisfitError(f"is a {value['class']}, but a {hint.type} is needed; write it as {_example(hint)}")
        return address(value) or value
    if isinstance(value, dict) and "class" not in value:
        _require_texts(value)
        return value
    if isinstance(value, str) and "://" in value:
        return value
    raise MisfitError(f"is {value!r}; write it as a URL, a record, or {_example(hint)}")


def _require_texts(record: Any) -> None:
    """Refuse numbers and booleans in an address or a record, whose fields are text, and may be secrets.

    Raises:
        MisfitError: the record has one.
    """
    if is_file_object(record):
        return
    if isinstance(record, bool | int | float):
        raise MisfitError("is or has a number or a boolean where text is needed; write it in quotes")
    items = record.values() if isinstance(record, dict) else record if isinstance(record, list) else ()
    for item in items:
        _require_texts(item)


def _example(hint: Hint) -> str:
    return f"{{class: {hint.type}, path: ...}}"


def refuse_remote_files(job: Mapping[str, Any]) -> None:
    """Refuse files that the CWL engine itself would fetch: it follows redirects, and the guard does not see it.

    Stage-ins are fetched by a step under the guard; their addresses are not File objects at that point.

    Raises:
        UsageError: a value has such a file, at any depth.
    """
    for name, value in job.items():
        for place in filter(None, map(address, file_objects(value))):
            raise UsageError(
                f"{name}: {place.partition('?')[0]} would be fetched by the CWL engine, outside of the address guard; "
                "make the parameter a stage-in (# type: stage-in), or give a file"
            )


def _check_file_value(value: Any, hint: Hint) -> Any:
    """Check that the files of a job are CWL objects."""
    if hint.type not in (CwlType.FILE, CwlType.DIRECTORY):
        return value
    for one in value if isinstance(value, list) else [value]:
        if not is_file_object(one):
            raise MisfitError(f"is {one!r}; write it as {_example(hint)}")
        if one["class"] != str(hint.type):
            raise MisfitError(f"is a {one['class']}, but a {hint.type} is needed; write it as {_example(hint)}")
    return value
