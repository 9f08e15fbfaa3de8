"""Read the interface of a shell process from MAAP's ``algorithm_config.yml``.

Two forms are in use: the newer one lists ``inputs`` as records with name, type and default; the older one groups
their names under ``file``, ``config`` and ``positional``.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from generator.metadata.read import Stated, read_statements
from generator.metadata.sources import algorithm_config
from generator.notebook.dates import is_dynamic
from generator.notebook.hints import UnknownHintError, parse_hint
from generator.notebook.interface import Input, Interface, Output, label
from generator.notebook.interface_reading import geojson_hint
from generator.notebook.literals import MisfitError, fit_default, hint_of, widen_hint
from generator.notebook.parameters import CwlType, Hint, Literal, Missing, Remark, Role
from generator.notebook.stage_ins import IsFolder, no_folder, stage_in_hint
from generator.notebook.stage_outs import output_path
from generator.repository.checkout import is_file, read_bytes
from generator.shared.errors import Mistake, ParametersError, ProcessError
from generator.shared.output_patterns import has_wildcard
from generator.shared.safe_text import printable
from generator.shared.yaml_limits import YamlLimitError, check_events, check_size
from generator.shared.yaml_problems import find_problem, unfit_values

_NAMES = ("algorithm_config.yml", "algorithm_config.yaml")
_SHAPE = "not a list of records with 'name' and 'type'"


def find_algorithm_config(folder: Path, process: str) -> str | None:
    """Find the algorithm_config next to the process, or else at the repository's top."""
    top = folder.resolve()
    for place in dict.fromkeys((posixpath.dirname(process), "")):
        for name in _NAMES:
            path = posixpath.join(place, name)
            if is_file(folder / path) and (folder / path).resolve().is_relative_to(top):
                return path
    return None


def read_algorithm_config(path: Path, name: str, *, is_folder: IsFolder = no_folder) -> tuple[Interface, Stated]:
    """Read the interface, and the metadata and resources, in a file; ``name`` is for messages.

    ``is_folder`` tells the folders among the defaults of stage-ins from files.

    Raises:
        ProcessError: the file cannot be read, or is too large.
        ParametersError: the file is not valid YAML, or an input, an output or a resource in it is invalid.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        text = read_bytes(path, name, ProcessError).decode("utf-8-sig")
        check_size(text)
        check_events(YAML().parse(text))
        document = YAML().load(text)
    except YamlLimitError as error:
        message = f"the document is too large: {error}"
        raise ParametersError(where=name, mistakes=[Mistake(line=1, text="", message=message)]) from None
    except RecursionError:
        raise ParametersError(where=name, mistakes=[Mistake(line=1, text="", message="nested too deeply")]) from None
    except (YAMLError, *unfit_values, OSError) as error:
        line, problem = find_problem(error)
        mistake = Mistake(line=line or 1, text="", message=f"not valid YAML: {problem}")
        raise ParametersError(where=name, mistakes=[mistake]) from None
    if not isinstance(document, dict):
        raise ParametersError(where=name, mistakes=[Mistake(line=1, text="", message="not a mapping")])
    mistakes: list[Mistake] = []
    inputs = tuple(_inputs(document.get("inputs"), _written_inputs(text), mistakes, is_folder))
    outputs = tuple(_outputs(document.get("outputs"), mistakes))
    names = [one.name for one in inputs] + [one.name for one in outputs]
    mistakes += [
        Mistake(line=1, text=f"- name: {name}", message=f"{name} is defined twice") for name in _repeated(names)
    ]
    if mistakes:
        raise ParametersError(where=name, mistakes=mistakes)
    try:
        words, unused = algorithm_config.read(text)
    except ValueError as error:  # YAML 1.2 alone
        raise ParametersError(where=name, mistakes=[Mistake(line=1, text="", message=str(error))]) from None
    others = [key for key in unused if key not in ("inputs", "outputs")]
    warnings = (Remark(line=0, message=f"{name}: not used: {printable(', '.join(others))}"),) if others else ()
    return Interface(inputs=inputs, outputs=outputs, warnings=warnings), read_statements(words, name)


def _repeated(names: list[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)


def _written_inputs(text: str) -> list[dict[str, Any]]:
    """Return the records of the inputs with every value as it is written: YAML makes 12 of ``012``."""
    import yaml

    try:
        document = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - constructs text only
    except (yaml.YAMLError, *unfit_values, RecursionError):  # YAML 1.2 alone
        return []
    return _records(document.get("inputs"), []) if isinstance(document, dict) else []


def _inputs(listed: Any, written: list[dict[str, Any]], mistakes: list[Mistake], is_folder: IsFolder) -> list[Input]:
    inputs = []
    records = _records(listed, mistakes)
    for record, own in zip(records, written if len(written) == len(records) else [{}] * len(records), strict=True):
        name = str(record.get("name", "")).strip()
        try:
            hint = _hint(record)
            inputs.append(_input(name, hint, record, own, is_folder))
        except (UnknownHintError, MisfitError) as error:
            mistakes.append(Mistake(line=_line(record), text=f"- name: {name}", message=f"{name} {error}"))
    return inputs


def _input(name: str, hint: Hint | None, record: dict[str, Any], written: dict[str, Any], is_folder: IsFolder) -> Input:
    _check_name(name)
    default: Literal | Missing = Missing.UNSET
    if record.get("default") is not None:
        is_text = hint is not None and hint.type in (CwlType.STRING, CwlType.ENUM)
        value = written.get("default", record["default"]) if is_text else record["default"]
        try:
            default = json.loads(json.dumps(value, default=str))  # plain values; a date becomes text
        except TypeError:
            raise MisfitError("has a mapping as its default whose names are not text") from None
    hint = hint or (Hint(type=CwlType.STRING) if isinstance(default, Missing) else hint_of(default))
    hint = geojson_hint(hint, default)
    if hint.format and is_dynamic(default):
        raise MisfitError(f"is {default!r}, which only a notebook's run replaces by a date; compute it in the script")
    if hint.role is Role.STAGE_IN:
        hint = stage_in_hint(hint, default, is_folder)
    if not isinstance(default, Missing) and hint.type not in (CwlType.FILE, CwlType.DIRECTORY):
        default = fit_default(default, hint)
        hint = widen_hint(hint, default)
    if isinstance(default, Missing) and (record.get("required") is False or "default" in record):
        hint = replace(hint, optional=True)
    if hint.role is not Role.VALUE and hint.role is not Role.STAGE_IN:
        raise MisfitError("is an input of type stage-out: list it under outputs")
    if hint.secret:
        hint, default = replace(hint, optional=hint.optional or not isinstance(default, Missing)), Missing.UNSET
    return Input(name=name, hint=hint, default=default, doc=_doc(name, record), line=_line(record))


def _hint(record: dict[str, Any]) -> Hint | None:
    """Return the type of an input: a hint, or an enum as CWL writes it, which may be in a list with ``null``."""
    kind = record.get("type")
    members = kind if isinstance(kind, list) else [kind]
    named = [one for one in members if one != "null"]
    if len(named) == 1 and isinstance(named[0], dict) and named[0].get("type") == "enum":
        symbols = named[0].get("symbols")
        if isinstance(symbols, list) and symbols and all(isinstance(symbol, str) for symbol in symbols):
            return Hint(type=CwlType.ENUM, symbols=tuple(map(str, symbols)), optional="null" in members)
    hint = parse_hint(str(kind))[0] if kind else None
    return replace(hint, secret=True) if hint and record.get("secret") is True else hint


def _doc(name: str, record: dict[str, Any]) -> str:
    """Return the description of an input; a text that only repeats its name describes nothing."""
    texts = (str(record.get(key) or "") for key in ("doc", "description", "label"))
    return printable(" ".join(text for text in texts if text and text != label(name)))


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[^\W\d][\w.-]*", name):
        raise MisfitError(f"is named {name!r}; a name is letters, digits, '_', '-' and '.'")


def _records(listed: Any, mistakes: list[Mistake]) -> list[dict[str, Any]]:
    if listed is None:
        return []
    if isinstance(listed, dict):
        grouped = ((group, item) for group in ("file", "config", "positional") for item in listed.get(group) or [])
        kinds = {"file": "File", "config": None, "positional": None}
        if not listed.keys() <= kinds.keys() or not all(isinstance(items or [], list) for items in listed.values()):
            mistakes.append(Mistake(line=_line(listed), text="inputs:", message=_SHAPE))
            return []
        return [
            {"type": kinds[group], **(item if isinstance(item, dict) else {"name": item})} for group, item in grouped
        ]
    if isinstance(listed, list) and all(isinstance(item, dict) for item in listed):
        return listed
    mistakes.append(Mistake(line=_line(listed), text="inputs or outputs", message=_SHAPE))
    return []


def _outputs(listed: Any, mistakes: list[Mistake]) -> list[Output]:
    outputs = []
    for record in _records(listed, mistakes):
        name = str(record.get("name", "")).strip()
        try:
            outputs.append(_output(name, record))
        except (UnknownHintError, MisfitError) as error:
            mistakes.append(Mistake(line=_line(record), text=f"- name: {name}", message=f"{name} {error}"))
    return outputs


def _output(name: str, record: dict[str, Any]) -> Output:
    kind = parse_hint(str(record.get("type") or "File"))[0]
    if kind.type not in (CwlType.FILE, CwlType.DIRECTORY):
        raise MisfitError(f"is {record.get('type')!r}; an output is File or Directory")
    _check_name(name)
    pattern = str(record.get("glob") or name)
    return Output(
        name=name,
        type=kind.type,
        glob=output_path(pattern, ""),
        array=kind.type is CwlType.FILE and (kind.array or has_wildcard(pattern)),
        optional=kind.optional,
        doc=printable(str(record.get("doc") or "")),
        line=_line(record),
    )


def _line(record: Any) -> int:
    line = getattr(getattr(record, "lc", None), "line", None)
    return 1 if line is None else int(line) + 1
