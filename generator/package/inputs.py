"""Turn values that a person types, and job files, into CWL values of the process's types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generator.notebook.literals import MisfitError, fit
from generator.notebook.parameters import CwlType, Hint, Role
from generator.package.file_objects import address, file_objects, is_inside, missing_files
from generator.package.hints import _FILES, read_hints
from generator.package.job_file import check_value, read_job, read_yaml
from generator.shared import contract
from generator.shared.errors import UsageError
from generator.shared.suggestions import did_you_mean

_INT_32 = 2**31


def typed_values(assignments: Sequence[str], hints: Mapping[str, Hint], folder: Path) -> dict[str, Any]:
    """Parse ``-p name=value`` by the types in the interface; an array input may be given several times.

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
                if name == contract.cache_input:
                    (folder / text).mkdir(parents=True, exist_ok=True)
                value = typed_value(text, hint, folder)
                values[name] = [*values[name], *value] if hint.array and name in values else value
            except MisfitError as error:
                wrong.append(f"{name} {error}")
    if wrong:
        known = ", ".join(hints) or "none"
        raise UsageError("\n".join([*wrong, f"inputs: {known}"]))
    return values


def typed_value(text: str, hint: Hint, folder: Path) -> Any:
    """Parse one value of a command line.

    Raises:
        MisfitError: the text is not a value of this type.
    """
    if hint.array:
        items = read_yaml(text) if text.lstrip().startswith("[") else [text]
        if not isinstance(items, list):
            raise MisfitError(f"is {text!r}, but a list is needed, such as [1, 2]")
        item_hint = Hint(type=hint.type, symbols=hint.symbols, role=hint.role)
        return [_typed_scalar(item, item_hint, folder) for item in items]
    if hint.optional and text == "null" and hint.type is not CwlType.STRING:
        return None
    return _typed_scalar(text, hint, folder)


def _typed_scalar(value: Any, hint: Hint, folder: Path) -> Any:
    if hint.type in (CwlType.FILE, CwlType.DIRECTORY):
        if "://" in str(value):
            return str(value) if hint.role is Role.STAGE_IN else {"class": str(hint.type), "location": str(value)}
        if isinstance(value, dict | list):
            raise MisfitError(f"is {value!r}, but a path or a URL is needed")
        path = folder / str(value)
        if not _exists(str(path)) or not (path.is_dir() if hint.type is CwlType.DIRECTORY else path.is_file()):
            raise MisfitError(
                f"is {str(value)!r}, but this {'folder' if hint.type is CwlType.DIRECTORY else 'file'} does not exist"
            )
        return {"class": str(hint.type), "path": str(path.resolve())}
    if hint.type is CwlType.ANY and isinstance(value, str):
        return check_value(read_yaml(value), folder)
    return check_value(_fit_for_cwl(value, hint), folder)


def _fit_for_cwl(value: Any, hint: Hint) -> Any:
    """Convert a value to a type of CWL, which has integers of 32 bits; a number is not a string, because YAML changed it.

    Raises:
        MisfitError: the value does not fit.
    """
    items = value if isinstance(value, list) else [value]
    for item in items:
        if hint.type is CwlType.STRING and isinstance(item, int | float) and not isinstance(item, bool):
            raise MisfitError(f"is the number {item}, but a string is needed; write it in quotes")
    fitted = fit(value, hint)
    for item in fitted if isinstance(fitted, list) else [fitted]:
        if hint.type is CwlType.INT and isinstance(item, int) and not -_INT_32 <= item < _INT_32:
            raise MisfitError(f"is {item}, which is too large for an int; declare the parameter as long")
    return fitted


def missing_values(package: Path) -> list[str]:
    """List the required inputs without a value in the package; files outside the package do not count as values."""
    tool = read_yaml((package / "process.cwl").read_text(encoding="utf-8"))
    given = read_job(package / "inputs.yml")
    secret = {name for name, hint in read_hints(package).items() if hint.secret}
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
        ):
            missing.append(name)
    return missing


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
            except MisfitError as error:
                wrong.append(f"{name} {error}")
    if wrong:
        raise UsageError("\n".join([f"{file} does not fit the package", *(f"  {line}" for line in wrong)]))
    return fitted


def _fit_value(name: str, value: Any, hint: Hint) -> Any:
    if name == contract.credentials_input and isinstance(value, dict):
        return json.dumps(value)  # CWL's secrets are text
    if hint.role is Role.STAGE_IN:
        return _fit_staged(value, hint)
    return _check_file_value(_fit_for_cwl(value, hint), hint)


def _fit_staged(value: Any, hint: Hint) -> Any:
    """Convert a URL, a record, a File or a list of these; a step fetches remote files, not the engine."""
    if isinstance(value, list):
        return [_fit_staged(item, hint) for item in value]
    if isinstance(value, dict) and value.get("class") in _FILES:
        return address(value) or value
    if isinstance(value, dict) and "class" not in value:
        return value
    if isinstance(value, str) and "://" in value:
        return value
    raise MisfitError(f"is {value!r}; write it as a URL, a record, or {{class: {hint.type}, path: ...}}")


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
        if not isinstance(one, dict) or one.get("class") != str(hint.type):
            raise MisfitError(f"is {one!r}; write it as {{class: {hint.type}, path: ...}}")
    return value


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False
