"""The rule of a package's ``inputs.yml``: its files are the package's own."""

from __future__ import annotations

from pathlib import Path

from generator.notebook.interface import cwl_id
from generator.package.file_objects import outside
from generator.package.job_file import read_job
from generator.package.record import read_record
from generator.repository.checkout import inside
from generator.shared.errors import UsageError


def foreign_files(job: Path) -> list[str]:
    """List the files outside the package in ``inputs.yml``, or why it cannot be read; stage-ins may have addresses."""
    if inside(job.parent, job.name) is None:  # its values would be those of any file of the host
        return [f"{job.name}: it is a link that leaves the package"]
    try:
        values = read_job(job)
    except UsageError as error:
        return [str(error)]
    staged = _stage_ins(job.parent)
    problems = []
    for name, value in values.items():
        places = [place for place in outside(value, job.parent) if "://" not in place or name not in staged]
        problems += [f"{job.name}: {name}: {place} is not in the package" for place in places if _exists(place)]
    return problems


def _exists(place: str) -> bool:
    """Whether there is something to read; a default path of the author's mostly names nothing on another machine."""
    try:
        return "://" in place or Path(place).exists()
    except (OSError, ValueError):
        return False


def _stage_ins(package: Path) -> set[str]:
    try:
        interface = read_record(package)["interface"]
        return {cwl_id(one["name"]) for one in interface["stage_in"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()
