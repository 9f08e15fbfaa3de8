"""From a CWL input object to the values that a notebook gets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generator.notebook.interface import Input, Interface
from generator.notebook.literals import MisfitError, fit
from generator.notebook.parameters import CwlType, Literal, Missing, Role
from generator.shared.failures import BadInputsError
from generator.shared.suggestions import did_you_mean


def read_inputs(path: Path) -> dict[str, Any]:
    """The input object in a file.

    Raises:
        BadInputsError: it is not a JSON object.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputsError(f"{path}: the inputs cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise BadInputsError(f"{path}: an object with a value for each input is needed")
    return document


def notebook_values(inputs: Mapping[str, Any], interface: Interface, *, language: str = "python") -> dict[str, Literal]:
    """What is injected: every value that is given, as the type that the cell has; null is 'not given'.

    In other languages than Python a value that is the cell's own is left to the cell: papermill would write R's
    ``c(1, 2)`` as ``list(1, 2)`` and its ``5L`` as ``5``.

    Raises:
        BadInputsError: naming every value that does not fit and every name that is no parameter.
    """
    known = {one.id: one for one in interface.inputs}
    values: dict[str, Literal] = {}
    wrong: list[str] = []
    for name, value in inputs.items():
        one = known.get(name)
        if one is None:
            wrong.append(f"{name}: the notebook has no such parameter{did_you_mean(name, known)}")
        elif value is not None:
            try:
                if not _is_written_otherwise(value, one.default, language):
                    values[one.name] = notebook_value(value, one)
            except MisfitError as error:
                wrong.append(misfit(one, error))
    without = [one.name for one in interface.inputs if isinstance(one.default, Missing) and not one.hint.optional]
    missing = [name for name in without if name not in values]
    wrong += [f"{name}: no value is given, and the notebook has none" for name in missing]
    if wrong:
        raise BadInputsError("the inputs do not fit the notebook:\n" + "\n".join(f"  {line}" for line in wrong))
    return values


def misfit(one: Input, error: MisfitError) -> str:
    """Why a value does not fit; a secret's value is not repeated."""
    return f"{one.name} is secret, and its value is no {one.hint.type}" if one.hint.secret else f"{one.name} {error}"


def _is_written_otherwise(value: Any, default: Literal | Missing, language: str) -> bool:
    """Whether the cell has the same value in a form that papermill would not write, such as a tuple."""
    if isinstance(default, Missing) or (language == "python" and not _holds_tuple(default)):
        return False
    return json.dumps(value) == json.dumps(default)


def _holds_tuple(value: object) -> bool:
    if isinstance(value, dict):
        return any(_holds_tuple(item) for item in value.values())
    return isinstance(value, tuple) or (isinstance(value, list) and any(_holds_tuple(item) for item in value))


def notebook_value(value: Any, one: Input) -> Literal:
    """One value as the notebook expects it.

    A staged file stays a CWL File object, in the list that the original system injects; an unstaged ``file`` becomes
    its path when the cell has a path there. A number that was whole in the cell stays whole.
    """
    if one.hint.type in (CwlType.FILE, CwlType.DIRECTORY):
        as_objects = one.hint.role is Role.STAGE_IN or _holds_objects(one.default)
        return value if as_objects else _paths(value)
    return _like(fit(value, one.hint), one.default)


def _holds_objects(default: Literal | Missing) -> bool:
    if isinstance(default, list | tuple):
        return any(_holds_objects(item) for item in default)
    return isinstance(default, dict)


def _paths(value: Any) -> Literal:
    if isinstance(value, list):
        return [_paths(item) for item in value]
    return str(value["path"]) if isinstance(value, dict) and "path" in value else value


def _like(value: Literal, default: Literal | Missing) -> Literal:
    """86.0 for a default of 86 is 86, so that ``range(n)`` works."""
    if isinstance(value, float) and isinstance(default, int) and not isinstance(default, bool) and value.is_integer():
        return int(value)
    if isinstance(value, list | tuple) and isinstance(default, list | tuple):
        whole = bool(default) and all(isinstance(item, int) and not isinstance(item, bool) for item in default)
        return [_like(item, 0) if whole else item for item in value]
    return value
