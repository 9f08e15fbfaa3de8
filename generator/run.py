"""Values for a run: typed by the package's interface before anything starts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generator.errors import UsageError, nearest
from generator.literals import MisfitError, fit
from generator.parameters import CwlType, Hint, Role


def find_process(package: Path) -> Path:
    """The ``process.cwl`` of a package.

    Raises:
        UsageError: the folder holds none, or several processes' packages.
    """
    if package.is_file() and package.suffix == ".cwl":
        return package
    process = package / "process.cwl"
    if process.is_file():
        return process
    below = sorted(str(path.parent) for path in package.glob("*/process.cwl"))
    if below:
        raise UsageError(f"{package} holds several processes, name one: {', '.join(below)}")
    raise UsageError(f"{package}: no package, there is no process.cwl in it")


def read_hints(package: Path) -> dict[str, Hint]:
    """The type of every input, by its CWL name, from the package's ``package.json``."""
    from generator.interface import cwl_id

    try:
        interface = json.loads((package / "package.json").read_text(encoding="utf-8"))["interface"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{package}: its package.json cannot be read ({error}): build the package again") from None
    hints = {
        cwl_id(one["name"]): Hint(
            type=CwlType(one["type"]),
            array=one["array"],
            optional=one["optional"],
            symbols=tuple(one["symbols"]),
            secret=one["secret"],
        )
        for one in interface["inputs"]
    }
    for one in interface["stage_in"]:
        kind = one["type"]
        hints[cwl_id(one["name"])] = Hint(
            type=CwlType(kind.removesuffix("[]")), array=kind.endswith("[]"), role=Role.STAGE_IN
        )
    return hints


def read_job(path: Path) -> dict[str, Any]:
    """A job file, YAML or JSON, with the files in it as absolute paths.

    Raises:
        UsageError: it cannot be read or is no mapping.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        job = YAML(typ="safe").load(path.read_text(encoding="utf-8")) or {}
    except (OSError, YAMLError, ValueError) as error:
        raise UsageError(f"{path}: the job file cannot be read: {error}") from None
    if not isinstance(job, dict):
        raise UsageError(f"{path}: a job file is a mapping of inputs to values")
    located: dict[str, Any] = _located(job, path.resolve().parent)
    return located


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


def typed_values(assignments: Sequence[str], hints: Mapping[str, Hint], folder: Path) -> dict[str, Any]:
    """``-p name=value`` as the interface types them; an array input may be given several times.

    Raises:
        UsageError: naming every assignment that is wrong.
    """
    wrong: list[str] = []
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        hint = hints.get(name)
        if not equals:
            wrong.append(f"{assignment!r}: write it as name=value")
        elif hint is None:
            guess = nearest(name, hints)
            wrong.append(f"{name}: no such input{f'; did you mean {guess!r}?' if guess else ''}")
        elif hint.secret:
            wrong.append(f"{name} is secret, and command lines can be read by others: put it into a job file")
        else:
            try:
                value = typed_value(text, hint, folder)
                values[name] = [*values[name], *value] if hint.array and name in values else value
            except MisfitError as error:
                wrong.append(f"{name} {error}")
    if wrong:
        known = ", ".join(hints) or "none"
        raise UsageError("\n".join([*wrong, f"inputs: {known}"]))
    return values


def typed_value(text: str, hint: Hint, folder: Path) -> Any:
    """One value as typed on a command line.

    Raises:
        MisfitError: it is not of the type.
    """
    if hint.array:
        items = _yaml(text) if text.lstrip().startswith("[") else [text]
        if not isinstance(items, list):
            raise MisfitError(f"is {text!r}, but a list is needed, such as [1, 2]")
        item_hint = Hint(type=hint.type, symbols=hint.symbols)
        return [_typed_scalar(item, item_hint, folder) for item in items]
    if hint.optional and text == "null" and hint.type is not CwlType.STRING:
        return None
    return _typed_scalar(text, hint, folder)


def _typed_scalar(value: Any, hint: Hint, folder: Path) -> Any:
    if hint.type in (CwlType.FILE, CwlType.DIRECTORY):
        if "://" in str(value):
            return {"class": str(hint.type), "location": str(value)}
        path = folder / str(value)
        if not (path.is_dir() if hint.type is CwlType.DIRECTORY else path.is_file()):
            raise MisfitError(
                f"is {str(value)!r}, but there is no such {'folder' if hint.type is CwlType.DIRECTORY else 'file'}"
            )
        return {"class": str(hint.type), "path": str(path.resolve())}
    if hint.type is CwlType.ANY and isinstance(value, str):
        return _yaml(value)
    return fit(value, hint)


def _yaml(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").load(text)
    except YAMLError:
        raise MisfitError(f"is {text!r}, which is not YAML") from None


def run_package(
    package: Path,
    *,
    job: Path | None,
    values: Sequence[str],
    outdir: Path,
    engine: str,
    options: tuple[str, ...],
) -> dict[str, Any]:
    """Runs a package and gives the CWL output object; progress goes to stderr.

    Raises:
        UsageError: the values do not fit the interface; nothing was started.
        RunError: the run failed.
    """
    from generator.progress import Progress
    from generator.tools.cwl import PlainLog, execute

    process = find_process(package)
    folder = process.parent
    job_file = job or folder / "inputs.yml"
    given = {**read_job(job_file), **typed_values(values, read_hints(folder), Path.cwd())}
    merged = {name: value for name, value in given.items() if value is not None}  # null is 'not given' in CWL
    progress = Progress()
    check_job(merged, read_hints(folder), job_file)

    log = PlainLog()

    def show(line: str) -> None:
        plain = log.pick(line)
        if plain:
            progress.say(plain)

    return execute(process, merged, outdir=outdir, engine=engine, options=options, on_line=show)


def check_job(job: Mapping[str, Any], hints: Mapping[str, Hint], file: Path) -> None:
    """Refuses a job that cannot run, before anything is started.

    Raises:
        UsageError: naming every value that is unknown, of the wrong type, or a file that is not there.
    """
    wrong: list[str] = []
    for name, value in job.items():
        hint = hints.get(name)
        if hint is None:
            guess = nearest(name, hints)
            wrong.append(f"{name}: no such input{f'; did you mean {guess!r}?' if guess else ''}")
        elif value is not None:
            try:
                fit(value, hint)
                wrong += [f"{name}: there is no {path}" for path in _missing_files(value)]
            except MisfitError as error:
                wrong.append(f"{name} {error}")
    if wrong:
        raise UsageError("\n".join([f"{file} does not fit the package", *(f"  {line}" for line in wrong)]))


def _missing_files(value: Any) -> list[str]:
    if isinstance(value, list):
        return [path for item in value for path in _missing_files(item)]
    if isinstance(value, dict) and "path" in value and "://" not in str(value["path"]):
        return [] if Path(value["path"]).exists() else [str(value["path"])]
    return []
