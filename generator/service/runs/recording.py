"""The record of a run: its package, and those of its values that people may read.

A value may be read if the package declares the input, calls it not secret, and neither a name nor a URL in the value
suggests a secret. Everyone who may see the run finds these values in its executed notebook, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

import sqlalchemy as sa

from generator.notebook.interface import cwl_id
from generator.notebook.literals import MisfitError
from generator.package.job_file import read_yaml
from generator.package.job_numbers import job_number
from generator.service.archives import Archive
from generator.service.store.database import Database, Row, pipelines, row
from generator.service.store.job_folders import DataFolder
from generator.service.store.masking import is_secret
from generator.service.store.run_tables import runs
from generator.service.store.runs import RunRecord, add_run
from generator.shared.errors import UsageError
from generator.shared.safe_text import redacted

_OF_MAPS = ("table", "product", "resume")
"""Variables of pipelines that run a package for every row of a table, which have pages of their own."""
_LONGEST_TEXT, _LONGEST_YAML, _LONGEST_VALUE, _MOST_VALUES = 1 << 18, 1 << 13, 1 << 14, 500
_Interface = Mapping[str, Any]


def run_record(data: DataFolder, variables: Sequence[Mapping[str, Any]]) -> RunRecord | None:
    """Return the record of a pipeline with these variables, None if it runs no package that exists."""
    given = {one["key"]: str(one["value"]) for one in variables}
    number = job_number(given.get("package", ""))
    if number is None or any(given.get(name) for name in _OF_MAPS):
        return None
    archive = Archive(data.job(number).artifacts)
    folder, package = _choose(archive, given.get("package_process", "").strip())
    if not folder:
        return None
    values, withheld, has_secrets = split_values(given.get("inputs", ""), package["interface"])
    process = package["process"].get("path")
    return RunRecord(
        job=number,
        folder=folder,
        process=process if isinstance(process, str) and process.isprintable() else PurePosixPath(folder).name,
        values=values,
        withheld=withheld,
        has_secrets=has_secrets,
    )


def may_have_secrets(record: RunRecord | None, variables: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a run has values of secret inputs; any value may be one if the package is unknown."""
    if record:
        return record.has_secrets
    given = {one["key"]: str(one["value"]) for one in variables}
    is_run = given.get("package", "").strip() and not any(given.get(name) for name in _OF_MAPS)
    return bool(is_run and given.get("inputs", "").strip())


def record_earlier(database: Database, data: DataFolder) -> None:
    """Store records of the runs that an earlier version started, with the values that are still stored.

    Pipelines are read one at a time: together, their variables may need more memory than the machine has.
    """
    likely = sa.cast(pipelines.c.variables, sa.Text).like('%"package"%')
    missing = pipelines.c.id.not_in(sa.select(runs.c.pipeline_id))
    with database.connection() as connection:
        numbers = list(connection.execute(sa.select(pipelines.c.id).where(likely, missing)).scalars())
    this = sa.select(pipelines.c.id, pipelines.c.variables)
    for number in numbers:
        with database.connection() as connection:
            found = row(connection, this.where(pipelines.c.id == number))
        record = run_record(data, _stored_variables(data, found)) if found else None  # which reads archives
        if record:
            with database.transaction() as connection:
                add_run(connection, number, record)


def _stored_variables(data: DataFolder, pipeline: Row) -> Sequence[Mapping[str, Any]]:
    """Return the variables of a pipeline, without values that are no longer stored."""
    try:
        return data.hidden.restore(pipeline["id"], pipeline["variables"])
    except UsageError:
        return [one for one in pipeline["variables"] if not one.get("hidden")]


def _choose(archive: Archive, process: str) -> tuple[str, Mapping[str, Any]]:
    """Return the folder and the record of the package that the stage ``run`` chooses; an empty folder if none.

    Of an archive with too many packages it is unknown.
    """
    found = list(archive.records() or ())
    named = [one for one in found if process and one[1]["process"].get("path") == process]
    chosen = named or [one for one in found if PurePosixPath(one[0]).name == process] or found
    return chosen[0] if len(chosen) == 1 or (chosen and not process) else ("", {})


def split_values(text: str, interface: _Interface) -> tuple[dict[str, Any], tuple[str, ...], bool]:
    """Return the readable values of the text of a job, the names of the others, and whether a secret is among them."""
    declared = dict(_declared(interface))
    try:
        job = read_yaml(text, longest=_LONGEST_YAML) if len(text) <= _LONGEST_TEXT else None
    except MisfitError:
        job = None
    if not isinstance(job, dict):
        return {}, (), bool(text.strip()) and any(declared.values())
    readable = {name: value for name, value in job.items() if declared.get(name) is False and _is_readable(name, value)}
    readable = dict(list(readable.items())[:_MOST_VALUES])
    withheld = tuple(name[:200] for name in job if name not in readable and job[name] is not None)
    return readable, withheld[:_MOST_VALUES], any(declared.get(name) for name in withheld)


def _declared(interface: _Interface) -> Iterator[tuple[str, bool]]:
    """Yield the inputs of an interface, by name and by CWL identifier, with whether they are secret."""
    for kind in ("inputs", "stage_in"):
        listed = interface.get(kind)
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict) and isinstance(one.get("name"), str):
                secret = bool(one.get("secret"))
                yield one["name"], secret
                with suppress(ValueError):
                    yield cwl_id(one["name"]), secret


def _is_readable(name: str, value: Any) -> bool:
    if is_secret(name) or any(is_secret(key) for key in _keys(value)):
        return False
    text = json.dumps(value, ensure_ascii=False)
    return len(text) <= _LONGEST_VALUE and redacted(text) == text


def _keys(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield from one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
