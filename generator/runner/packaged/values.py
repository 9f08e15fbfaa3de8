"""Conversion of a CWL input object to a notebook's values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from generator.notebook.dates import is_dynamic
from generator.notebook.interface import Input, Interface, parameter_name
from generator.notebook.literals import MisfitError, fit, require_text
from generator.notebook.parameters import CwlType, Format, Literal, Missing
from generator.runner.packaged.earth_values import as_geojson, resolved_defaults, with_dates
from generator.runner.packaged.files import absolute_files, file_value, path_text
from generator.shared.failures import BadInputsError
from generator.shared.suggestions import did_you_mean
from generator.shared.yaml_problems import describe_problem, refuse_doubles

_INTEGERS_DIFFER = ("julia", "scheme", "lua", "gnuplot", "powershell")


def read_inputs(path: Path, *, absolute: bool = True) -> dict[str, Any]:
    """Read the input object from a file; paths of files become ``absolute``, from the file's folder.

    Raises:
        BadInputsError: the file cannot be read or is not a JSON object.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=refuse_doubles)
        document = absolute_files(given, path.absolute().parent) if absolute else given
    except OSError as error:
        raise BadInputsError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInputsError(f"{path}: not text in UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise BadInputsError(f"{path}: not a JSON object: {describe_problem(error)}") from None
    if not isinstance(document, dict):
        raise BadInputsError(f"{path}: not a JSON object; write an object with a value for each input")
    return document


def notebook_values(
    inputs: Mapping[str, Any], interface: Interface, *, language: str = "python", folder: Path = Path()
) -> dict[str, Literal]:
    """Return the values to inject, converted to the types in the cell; null means 'not given'.

    Relative paths of files start at ``folder``.

    In languages other than Python, a value equal to the cell's is not injected: papermill would write R's
    ``c(1, 2)`` as ``list(1, 2)`` and its ``5L`` as ``5``.

    Raises:
        BadInputsError: lists every value of the wrong type, unknown name and missing value.
    """
    known = {one.id: one for one in interface.inputs}
    values: dict[str, Any] = {}
    wrong: list[str] = []
    now = datetime.now(timezone.utc)
    for name, value in inputs.items():
        one = known.get(name)
        if one is None:
            wrong.append(f"{name}: the notebook has no such parameter{did_you_mean(name, known)}")
        elif value is not None:
            try:
                if not _is_written_otherwise(value, one.default, language):
                    fitted = with_floats(notebook_value(value, one, folder), one, language)
                    values[one.name] = with_dates(fitted, one, now)
            except MisfitError as error:
                wrong.append(explain_misfit(one, error))
    without = [one.name for one in interface.inputs if isinstance(one.default, Missing) and not one.hint.optional]
    missing = [name for name in without if name not in values]
    wrong += [f"{name}: no value is given, and the notebook has no default" for name in missing]
    unset = [one for one in interface.inputs if inputs.get(one.id) is None]
    values |= resolved_defaults(unset, now, wrong)
    if wrong:
        raise BadInputsError("the inputs do not fit the notebook:\n" + "\n".join(f"  {line}" for line in wrong))
    return values


def script_values(inputs: Mapping[str, Any], defaults: Mapping[str, str]) -> dict[str, Any]:
    """Return the input object of a script by the script's own names, with paths as text for those in ``defaults``.

    Raises:
        BadInputsError: one of these values has no path.
    """
    values = dict(inputs)
    for name, default in defaults.items():
        value = inputs.get(name)
        try:
            values[name] = (default or None) if value is None else path_text(value, slash=default.endswith("/"))
        except MisfitError as error:
            raise BadInputsError(f"{name} {error}") from None
    return {parameter_name(name): value for name, value in values.items()}


def explain_misfit(one: Input, error: MisfitError) -> str:
    """Explain why a value does not fit, without repeating a secret's value."""
    return f"{one.name}: the secret value is not of type {one.hint.type}" if one.hint.secret else f"{one.name} {error}"


def _is_written_otherwise(value: Any, default: Literal | Missing, language: str) -> bool:
    """Check whether the cell has the same value in a form that papermill does not write, such as a tuple."""
    if isinstance(default, Missing) or is_dynamic(default):
        return False
    if language == "python" and not _holds_tuple(default):
        return False
    return json.dumps(value) == json.dumps(default)


def _holds_tuple(value: object) -> bool:
    if isinstance(value, dict):
        return any(_holds_tuple(item) for item in value.values())
    return isinstance(value, tuple) or (isinstance(value, list) and any(_holds_tuple(item) for item in value))


def notebook_value(value: Any, one: Input, folder: Path = Path()) -> Literal:
    """Convert one value to the form that the notebook expects.

    A file has the form of the cell's own default, the text of a path or a CWL File object. An integer in the cell
    stays an integer, unless its type is any.

    Raises:
        MisfitError: the value does not fit the type.
    """
    if one.hint.type in (CwlType.FILE, CwlType.DIRECTORY):
        return file_value(value, one, folder)
    require_text(value, one.hint)
    fitted = fit(value, one.hint)
    if one.hint.type is CwlType.ANY and not one.hint.array:
        return fitted
    return as_geojson(fitted, one) if one.hint.format is Format.GEOJSON else _like(fitted, one.default)


def with_floats(value: Any, one: Input, language: str) -> Any:
    """Convert the integers of a float parameter, in languages that divide integers in another way or refuse them."""
    if language.lower() not in _INTEGERS_DIFFER:
        return value
    defaults = one.default if isinstance(one.default, list) else [one.default]
    declared = one.typed and one.hint.type in (CwlType.FLOAT, CwlType.DOUBLE)
    if not declared and not any(isinstance(default, float) for default in defaults):
        return value
    return [_as_float(item) for item in value] if isinstance(value, list) else _as_float(value)


def _as_float(value: Any) -> Any:
    """Return an integer as a float, unless that would change it."""
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_integer and abs(value) <= 2**53 else value


def _like(value: Literal, default: Literal | Missing) -> Literal:
    """Convert 86.0 to 86 for an integer default, so that ``range(n)`` works."""
    if isinstance(value, float) and isinstance(default, int) and not isinstance(default, bool) and value.is_integer():
        return int(value)
    if isinstance(value, list | tuple) and isinstance(default, list | tuple):
        whole = bool(default) and all(isinstance(item, int) and not isinstance(item, bool) for item in default)
        return [_like(item, 0) if whole else item for item in value]
    return value
