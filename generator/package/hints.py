"""Find a package's documents and the types of their inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from generator.notebook.bounds import bounds_from_dict, takes_bounds
from generator.notebook.dates import date_text
from generator.notebook.parameters import Bounds, CwlType, Format, Hint, Role
from generator.package.file_objects import address
from generator.package.record import read_record
from generator.repository.checkout import is_file
from generator.shared import contract
from generator.shared.errors import UsageError


def find_document(package: Path, job: Mapping[str, Any], hints: Mapping[str, Hint]) -> Path:
    """Find the document that a job runs: the workflow if files have to be fetched or delivered, else the process.

    Without staging both give the same results, and the process is faster.
    """
    process = find_process(package)
    workflow = process.with_name("workflow.cwl")
    if is_file(package) or not is_file(workflow):
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
    """Find the ``process.cwl`` of a package.

    Raises:
        UsageError: the folder is not a package, or has the packages of processes in folders below it; or the file is
            a document for platforms.
    """
    if is_file(package) and package.name in ("application.cwl", "scatter.cwl"):
        raise UsageError(
            f"{package}: for platforms, which stage its folders; run the package {package.parent}, or "
            f"cwltool {package}#ID with the ID of its Workflow"
        )
    if is_file(package) and package.suffix == ".cwl":
        return package
    process = package / "process.cwl"
    if is_file(process):
        return process
    if below := processes_below(package):
        folders = ", ".join(str(one.parent) for one in below)
        raise UsageError(f"{package}: its packages are in folders of their own; give one: {folders}")
    raise UsageError(f"{package}: not a package, process.cwl is missing")


def processes_below(folder: Path) -> list[Path]:
    """List the ``process.cwl`` of packages in the folders of a folder; pathlib's glob raises for an odd link in it."""
    with suppress(OSError):
        return sorted(one / "process.cwl" for one in folder.iterdir() if is_file(one / "process.cwl"))
    return []


def read_hints(package: Path) -> dict[str, Hint]:
    """Read the type of every input, by its CWL name, from the package's ``package.json``."""
    from generator.notebook.interface import cwl_id

    try:
        interface = read_record(package)["interface"]
        values = {cwl_id(one["name"]): _hint(one) for one in interface["inputs"]}
        staged = {cwl_id(one["name"]): _staged_hint(one["type"]) for one in interface["stage_in"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{package}: package.json cannot be read ({error}); build the package again") from None
    for name in (*values, *staged):
        if re.search(r"[:/#$\s]", name) or name in ("id", "__id", "class"):
            raise UsageError(f"{package}: package.json: {name!r} is not an input's name; build the package again")
    around = _staging_inputs if is_file(package / "workflow.cwl") else {}
    return {**_runner_inputs, **around, **values, **staged}


_staging_inputs = {
    "stage_out": Hint(optional=True),
    contract.catalog_input: Hint(type=CwlType.BOOLEAN, optional=True),
    contract.cache_input: Hint(type=CwlType.DIRECTORY, optional=True),
    contract.config_input: Hint(type=CwlType.DIRECTORY, optional=True),
    contract.credentials_input: Hint(optional=True, secret=True),
}
"""Additional inputs of ``workflow.cwl`` (`generator.documents.cwl.workflow.workflow_cwl`)."""


_runner_inputs = {contract.template_input: Hint(type=CwlType.STRING, optional=True)}
"""Additional inputs of every notebook's package (`generator.documents.cwl.process.template_entry`)."""


def _hint(one: Mapping[str, Any]) -> Hint:
    hint = Hint(
        type=CwlType(one["type"]),
        array=one["array"],
        optional=one["optional"],
        symbols=_symbols(one["symbols"]),
        secret=one["secret"],
        format=_format(one),
        unit=str(one.get("unit", "")),
    )
    return replace(hint, bounds=_bounds(one, hint))


def _symbols(listed: Any) -> tuple[str, ...]:
    """Read the choices of an enum.

    Raises:
        TypeError: they are not a list of texts.
    """
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise TypeError(f"{listed!r} is not a list of symbols")
    return tuple(listed)


_format_types = {
    Format.DATE: (CwlType.STRING,),
    Format.DATETIME: (CwlType.STRING,),
    Format.BBOX: (CwlType.DOUBLE,),
    Format.GEOJSON: (CwlType.STRING, CwlType.FILE),
}


def _format(one: Mapping[str, Any]) -> Format | None:
    """Read a format.

    Raises:
        ValueError: the format is unknown, or not one of the type.
    """
    if "format" not in one:
        return None
    found = Format(one["format"])
    if one["type"] not in _format_types[found]:
        raise ValueError(f"{one['type']} has no format {found}")
    return found


def _bounds(one: Mapping[str, Any], hint: Hint) -> Bounds | None:
    """Read bounds.

    Raises:
        ValueError: they are not bounds of the type.
    """
    bounds = bounds_from_dict(one)
    if bounds is None:
        return None
    is_date = hint.format is not None
    for bound in (bounds.minimum, bounds.maximum):
        is_number = isinstance(bound, int | float) and not isinstance(bound, bool)
        is_fit = date_text(bound, hint.format) is not None if isinstance(bound, str) else is_number
        if bound is not None and not (takes_bounds(hint) and is_fit and isinstance(bound, str) == is_date):
            raise ValueError(f"{bound!r} is not a bound of {hint.format or hint.type}")
    return bounds


def _staged_hint(kind: str) -> Hint:
    return Hint(type=CwlType(kind.removesuffix("[]")), array=kind.endswith("[]"), role=Role.STAGE_IN)
