"""Parameters given in papermill's form: read, filled into paths, and checked against the notebook's cell."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from generator.notebook.interface import Input, Interface
from generator.notebook.languages import reader_of
from generator.notebook.literals import MisfitError, fit, require_text
from generator.notebook.notebook import Notebook
from generator.notebook.parameters import CwlType, Format, Hint
from generator.runner.packaged.earth_values import as_geojson, resolved_defaults, with_dates
from generator.runner.packaged.files import file_value
from generator.runner.packaged.values import explain_misfit, with_floats
from generator.runner.standalone import addresses
from generator.shared.failures import BadInputsError
from generator.shared.suggestions import did_you_mean
from generator.shared.yaml_limits import YamlLimitError, check_events, check_size
from generator.shared.yaml_problems import find_problem, unfit_values

built_in_names = ("PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH")


@dataclass(frozen=True, kw_only=True, slots=True)
class ParameterOptions:
    """papermill's five options for parameters, in its order of precedence."""

    base64: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    yaml: tuple[str, ...] = ()
    words: tuple[tuple[str, str], ...] = ()
    raw: tuple[tuple[str, str], ...] = ()


def read_parameters(given: ParameterOptions, first: Mapping[str, Any]) -> dict[str, Any]:
    """Read all given parameters; later options override earlier ones (papermill's cli).

    Raises:
        BadInputsError: an option's value is not valid base64 or YAML, or a file cannot be read.
    """
    values = dict(first)
    for text in given.base64:
        try:
            values |= _yaml(base64.b64decode("".join(text.split()), validate=True).decode(), "-b")
        except (binascii.Error, UnicodeDecodeError):
            raise BadInputsError(f"-b: {text[:40]!r} is not valid base64 of text") from None
    for address in given.files:
        values |= _yaml(_decode(addresses.read(address), address), addresses.redact_address(address))
    for text in given.yaml:
        values |= _yaml(text, "-y")
    values |= {name: parse_value(value) for name, value in given.words}
    values |= dict(given.raw)
    return values


def _decode(data: bytes, address: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        where = f"{addresses.redact_address(address)} line {line}"
        raise BadInputsError(f"{where}: not text in UTF-8; save the file in this encoding") from None


def _yaml(text: str, where: str) -> dict[str, Any]:
    """Parse a YAML mapping in which dates stay strings, as papermill does."""
    import yaml

    from generator.runner.standalone.yaml_loader import ParameterLoader

    try:
        check_size(text)
        check_events(yaml.parse(text, Loader=ParameterLoader))
        document = yaml.load(text, Loader=ParameterLoader)  # noqa: S506 - a SafeLoader
    except YamlLimitError as error:
        raise BadInputsError(f"{where}: the document is too large: {error}") from None
    except (yaml.YAMLError, *unfit_values, RecursionError) as error:
        line, problem = find_problem(error)
        raise BadInputsError(f"{where}{f' line {line}' if line else ''}: {problem}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise BadInputsError(f"{where}: a {kind}, not a mapping; write a line 'name: value' for each parameter")
    try:
        return {str(name): _with_text_keys(value) for name, value in document.items()}
    except RecursionError:
        raise BadInputsError(f"{where}: a value contains itself or is nested too deeply") from None


def _with_text_keys(value: Any) -> Any:
    """Convert keys of mappings to strings, as JSON and papermill's translators need them."""
    if isinstance(value, dict):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list) else value


def parse_value(text: str) -> Any:
    """Parse a value of ``-p``: True, False, None and numbers become values, everything else text (papermill's cli)."""
    words = {"True": True, "False": False, "None": None}
    if text in words:
        return words[text]
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def fill_path(path: str, values: Mapping[str, Any]) -> str:
    """Fill ``{name}`` of parameters and of ``pm`` into a path, as papermill does.

    Raises:
        BadInputsError: the path has an unknown name or invalid braces.
    """
    if "{" not in path and "}" not in path:
        return path
    from uuid import uuid4

    now = datetime.now(timezone.utc)
    local = now.astimezone().replace(tzinfo=None)
    built_in = {"run_uuid": str(uuid4()), "current_datetime_local": local, "current_datetime_utc": now}
    try:
        return path.format(**{"pm": built_in, **values})
    except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        raise BadInputsError(f"{path}: cannot be filled in: Missing parameter {error}") from None


def fit_parameters(
    values: Mapping[str, Any],
    given: ParameterOptions,
    interface: Interface,
    notebook: Notebook,
    *,
    allow_unknown: bool,
    folder: Path = Path(),
) -> dict[str, Any]:
    """Check the parameters and convert those with a declared type; relative paths of files start at ``folder``.

    Raises:
        BadInputsError: lists every value of the wrong type and every unknown name.
    """
    inputs = {one.name: one for one in interface.inputs}
    known = {*inputs, *(one.name for one in interface.outputs), *built_in_names}
    texts = {**dict(given.words), **dict(given.raw)}
    fitted: dict[str, Any] = {}
    wrong = []
    now = datetime.now(timezone.utc)
    for name, value in values.items():
        one = inputs.get(name)
        fitted[name] = value
        if one is None:
            if name not in known and not allow_unknown and reader_of(notebook.parameters_language):
                wrong.append(_unknown(name, known, notebook))
            continue
        try:
            if one.hint.type in (CwlType.FILE, CwlType.DIRECTORY):
                if value is not None:
                    fitted[name] = file_value(_files_of(texts[name], one) if name in texts else value, one, folder)
            elif one.typed:
                fitted[name] = _fit_typed(value, texts.get(name), one)
            fitted[name] = with_floats(fitted[name], one, notebook.parameters_language)
            fitted[name] = with_dates(fitted[name], one, now)
        except MisfitError as error:
            wrong.append(explain_misfit(one, error))
    fitted |= resolved_defaults((one for name, one in inputs.items() if name not in fitted), now, wrong)
    if wrong:
        lines = "\n".join(f"  {line}" for line in wrong)
        raise BadInputsError(f"the parameters do not fit {notebook.name}:\n{lines}")
    return fitted


def _fit_typed(value: Any, text: str | None, one: Input) -> Any:
    """Convert a value; ``text`` is what a command line has of it, which papermill may have read as a number."""
    hint = one.hint
    if text is not None and value is not None and (hint.format is Format.BBOX or _is_text(hint)):
        value = text
    require_text(value, hint)
    fitted = fit(value, hint)
    return as_geojson(fitted, one) if hint.format is Format.GEOJSON and fitted is not None else fitted


def _is_text(hint: Hint) -> bool:
    return hint.type in (CwlType.STRING, CwlType.ENUM) and not hint.array


def _files_of(text: str, one: Input) -> Any:
    """Parse a file on the command line: a path, an address, or File objects as JSON or YAML; one is a list of one.

    Raises:
        MisfitError: the text begins like an object or a list, and is not valid.
    """
    import yaml

    value: Any = text
    if text.lstrip().startswith(("{", "[")):
        try:
            check_size(text)
            check_events(yaml.parse(text, Loader=yaml.SafeLoader))
            value = yaml.safe_load(text)
        except (YamlLimitError, yaml.YAMLError, *unfit_values, RecursionError):
            message = 'is not a path, JSON or YAML; write {"class": "File", "path": "…"}, or ./ before a path'
            raise MisfitError(message) from None
    return [value] if one.hint.array and not isinstance(value, list) else value


def _unknown(name: str, known: Iterable[str], notebook: Notebook) -> str:
    if not notebook.cells_with_tag("parameters"):
        return f"{name}: the notebook has no cell tagged 'parameters'; --allow-unknown injects the value anyway"
    hint = did_you_mean(name, [one for one in known if one not in built_in_names])
    return f"{name}: the notebook has no such parameter{hint}; --allow-unknown injects the value anyway"
