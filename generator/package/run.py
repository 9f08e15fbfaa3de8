"""Values for a run: typed by the package's interface before anything starts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generator.containers.limits import ContainerLimits
from generator.notebook.literals import MisfitError, fit
from generator.notebook.parameters import CwlType, Hint, Role
from generator.package.file_objects import address, file_objects, is_inside, missing_files
from generator.package.image_presence import require_own_image
from generator.package.job_file import checked_value, read_job, read_yaml
from generator.package.record import read_record
from generator.progress import Progress
from generator.shared.errors import DocumentError, UsageError, nearest


def find_document(package: Path, job: Mapping[str, Any], hints: Mapping[str, Hint]) -> Path:
    """What a job runs: the process, or the whole workflow where something is to be fetched or delivered.

    Without that both do the same, and the process alone is quicker.
    """
    process = find_process(package)
    workflow = process.with_name("workflow.cwl")
    if package.is_file() or not workflow.is_file():
        return process
    asked = [name for name in _staging_inputs if job.get(name) is not None]
    staged = [(name, hint) for name, hint in hints.items() if hint.role is Role.STAGE_IN]
    fetched = [name for name, hint in staged if not _is_at_hand(job.get(name), hint)]
    return workflow if asked or fetched else process


def _is_at_hand(value: Any, hint: Hint) -> bool:
    """Whether the process takes a staged input's value as it is: files of this machine, as many as its type has."""
    if value is None:
        return True
    if isinstance(value, list) != hint.array:
        return False
    items = value if isinstance(value, list) else [value]
    return all(isinstance(one, dict) and one.get("class") == str(hint.type) and not address(one) for one in items)


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
    from generator.notebook.interface import cwl_id

    try:
        interface = read_record(package)["interface"]
        values = {cwl_id(one["name"]): _hint(one) for one in interface["inputs"]}
        staged = {cwl_id(one["name"]): _staged_hint(one["type"]) for one in interface["stage_in"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{package}: its package.json cannot be read ({error}): build the package again") from None
    for name in (*values, *staged):
        if re.search(r"[:/#$\s]", name) or name in ("id", "__id", "class"):
            raise UsageError(f"{package}: package.json: {name!r} is not an input's name; build the package again")
    around = _staging_inputs if (package / "workflow.cwl").is_file() else {}
    return {**_runner_inputs, **around, **values, **staged}


_FILES = ("File", "Directory")
_staging_inputs = {
    "stage_out": Hint(optional=True),
    "stac_catalog": Hint(type=CwlType.BOOLEAN, optional=True),
    "cache_dir": Hint(type=CwlType.DIRECTORY, optional=True),
    "config_dir": Hint(type=CwlType.DIRECTORY, optional=True),
    "credentials": Hint(optional=True, secret=True),
}
"""What ``workflow.cwl`` takes besides (`generator.documents.cwl.workflow.workflow_cwl`)."""
_runner_inputs = {"output_template": Hint(type=CwlType.STRING, optional=True)}
"""What every package of a notebook takes besides its interface (`generator.documents.cwl.process.template_entry`)."""


def _hint(one: Mapping[str, Any]) -> Hint:
    return Hint(
        type=CwlType(one["type"]),
        array=one["array"],
        optional=one["optional"],
        symbols=tuple(one["symbols"]),
        secret=one["secret"],
    )


def _staged_hint(kind: str) -> Hint:
    return Hint(type=CwlType(kind.removesuffix("[]")), array=kind.endswith("[]"), role=Role.STAGE_IN)


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
                if name == "cache_dir":
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
    """One value as typed on a command line.

    Raises:
        MisfitError: it is not of the type.
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
                f"is {str(value)!r}, but there is no such {'folder' if hint.type is CwlType.DIRECTORY else 'file'}"
            )
        return {"class": str(hint.type), "path": str(path.resolve())}
    if hint.type is CwlType.ANY and isinstance(value, str):
        return checked_value(read_yaml(value), folder)
    return checked_value(fit(value, hint), folder)


def run_package(
    package: Path,
    *,
    job: Path | None,
    values: Sequence[str],
    outdir: Path,
    engine: str,
    options: tuple[str, ...],
    guarded: tuple[str, ...] = (),
    limits: ContainerLimits | None = None,
    network: str | None = None,
    trust: bool = False,
) -> dict[str, Any]:
    """Run a package and return the CWL output object; progress goes to stderr.

    ``guarded`` are variables of the environment that steps in containers are to have: those of the address guard.
    ``limits`` are what its containers may take (default: those of this machine).
    ``network`` is the engine's network for steps that reach out (default: the engine's own).
    ``trust`` runs documents that break `generator.package.document_rules`, and files outside of the package that
    ``inputs.yml`` names.

    Raises:
        UsageError: the values do not fit the interface; nothing was started.
        DocumentError: the package holds more than packmill writes, and is not trusted; nothing was started.
        RunError: the run failed.
    """
    from generator.package.document_rules import broken_rules
    from generator.package.document_rules.values import foreign_files
    from generator.package.engines.cwltool import PlainLog, execute

    folder = find_process(package).parent
    job_file = job or folder / "inputs.yml"
    hints = read_hints(folder)
    given = {**read_job(job_file), **typed_values(values, hints, Path.cwd())}
    progress = Progress()
    _check_trust(foreign_files(job_file) if job is None else [], progress, trust=trust)
    job_values = checked_job(given, hints, job_file)
    document = find_document(package, job_values, hints)
    _check_trust(broken_rules(document), progress, trust=trust)
    if guarded:
        refuse_remote_files(job_values)
        options = (*(word for name in guarded for word in ("--preserve-environment", name)), *options)
    if network:
        options = ("--custom-net", network, *options)
    if document.name != "process.cwl":
        _require_staging_image(folder, options)
    log = PlainLog()

    def show(line: str) -> None:
        plain = log.pick(line)
        if plain:
            progress.say(plain)

    return execute(
        document,
        job_values,
        outdir=outdir,
        engine=engine,
        options=options,
        on_line=show,
        limits=limits,
        trust=trust,
    )


def _require_staging_image(package: Path, options: tuple[str, ...]) -> None:
    """Steps around a process need the staging image, which `generator.image.staging` makes when a package is built.

    Raises:
        RunError: the package names one that was never pushed, and the engine lacks it.
    """
    staging = read_record(package).get("staging")
    reference = staging.get("reference") if isinstance(staging, dict) else None
    if isinstance(reference, str):
        require_own_image(
            reference,
            options=options,
            advice=f"build the package again, and run what that writes: packmill rebuild {package}",
        )


def _check_trust(problems: Sequence[str], progress: Progress, *, trust: bool) -> None:
    """Refuse a package that holds more than packmill writes; where it is trusted, say so and go on."""
    if problems and not trust:
        advice = "the package holds more than packmill writes: read it, then run it with --trust"
        raise DocumentError("\n".join([*problems, advice]))
    for problem in problems:
        progress.warn(f"trusted: {problem}")


def missing_values(package: Path) -> list[str]:
    """The inputs that a run must be given and that the package has no value for; files elsewhere are none of its."""
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


def checked_job(job: Mapping[str, Any], hints: Mapping[str, Hint], file: Path) -> dict[str, Any]:
    """The values of a job as their types have them, without those that are null: in CWL that is 'not given'.

    Raises:
        UsageError: naming every value that is unknown, of the wrong type, or a file that is not there.
    """
    wrong: list[str] = []
    fitted: dict[str, Any] = {}
    for name, value in job.items():
        hint = hints.get(name)
        if hint is None:
            guess = nearest(name, hints)
            wrong.append(f"{name}: no such input{f'; did you mean {guess!r}?' if guess else ''}")
        elif value is not None:
            try:
                fitted[name] = _fitted(name, checked_value(value, file.resolve().parent), hint)
                wrong += [f"{name}: there is no {path}" for path in missing_files(fitted[name])]
            except MisfitError as error:
                wrong.append(f"{name} {error}")
    if wrong:
        raise UsageError("\n".join([f"{file} does not fit the package", *(f"  {line}" for line in wrong)]))
    return fitted


def _fitted(name: str, value: Any, hint: Hint) -> Any:
    if name == "credentials" and isinstance(value, dict):
        return json.dumps(value)  # CWL's secrets are text
    if hint.role is Role.STAGE_IN:
        return _staged(value, hint)
    return _located_file(fit(value, hint), hint)


def _staged(value: Any, hint: Hint) -> Any:
    """A URL, a record or a File, or a list of these; what is elsewhere is fetched by a step, not by the engine."""
    if isinstance(value, list):
        return [_staged(item, hint) for item in value]
    if isinstance(value, dict) and value.get("class") in _FILES:
        return address(value) or value
    if isinstance(value, dict) and "class" not in value:
        return value
    if isinstance(value, str) and "://" in value:
        return value
    raise MisfitError(f"is {value!r}; write it as a URL, a record, or {{class: {hint.type}, path: ...}}")


def refuse_remote_files(job: Mapping[str, Any]) -> None:
    """Refuse files that the CWL engine itself would fetch: it follows redirects, and the guard does not see it.

    Stage-ins are fetched by a step under the guard; their addresses are no File objects any more.

    Raises:
        UsageError: a value has such a file, at any depth.
    """
    for name, value in job.items():
        for place in filter(None, map(address, file_objects(value))):
            raise UsageError(
                f"{name}: {place.partition('?')[0]} would be fetched by the CWL engine, outside of the address guard; "
                "make the parameter a stage-in (# type: stage-in), or give a file"
            )


def _located_file(value: Any, hint: Hint) -> Any:
    """Only CWL's own objects stand for files in a job."""
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
