"""The checks of a pipeline: every oracle over a package, and a run on its own example values, as a JUnit report."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from generator.containers.limits import ContainerLimits
from generator.package.folder import packages_below
from generator.package.inputs import missing_values
from generator.package.run import run_package
from generator.package.validation import validate
from generator.progress import Progress
from generator.shared.errors import PackmillError


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """One check: of what, by what, how long (seconds), and what was wrong or why it was left out."""

    package: str
    name: str
    seconds: float
    problem: str = ""
    skipped: str = ""
    exit_code: int = 0


def check(
    top: Path,
    *,
    base: Path,
    results: Path,
    progress: Progress,
    limits: ContainerLimits | None = None,
    network: str | None = None,
) -> list[Checked]:
    """Checks the packages in a folder, named as they lie below ``base``; outputs of example runs go to ``results``.

    ``limits`` are those of the containers of these runs, ``network`` is the engine's network for their steps.
    """
    found: list[Checked] = []
    for folder in packages_below(top):
        name = folder.relative_to(base).as_posix()
        with progress.step(f"Validating {name}"):
            found += _validated(folder, name, progress)
        with progress.step(f"Running {name} on its example values"):
            outdir = results / folder.relative_to(top)
            found.append(_ran(folder, name, outdir, progress, limits=limits, network=network))
    return found


def _validated(folder: Path, package: str, progress: Progress) -> list[Checked]:
    found = []
    for verdict in validate(folder):
        progress.say(f"{'FAIL' if verdict.problem else 'ok  '}  {verdict.document}: {verdict.oracle}")
        name = f"{verdict.document}: {verdict.oracle}"
        found.append(
            Checked(
                package=package,
                name=name,
                seconds=verdict.seconds,
                problem=verdict.problem,
                exit_code=17 if verdict.problem else 0,
            )
        )
    return found


def _ran(
    folder: Path,
    package: str,
    outdir: Path,
    progress: Progress,
    *,
    limits: ContainerLimits | None,
    network: str | None,
) -> Checked:
    began, name = time.monotonic(), "run on its example values"
    try:
        missing = missing_values(folder)
        if missing:
            why = f"no example value for {', '.join(missing)}"
            progress.say(f"left out: {why}")
            return Checked(package=package, name=name, seconds=0, skipped=why)
        run_package(
            folder,
            job=None,
            values=(),
            outdir=outdir,
            engine="cwltool",
            options=(),
            limits=limits,
            network=network,
        )
    except PackmillError as error:
        taken = time.monotonic() - began
        return Checked(package=package, name=name, seconds=taken, problem=str(error), exit_code=error.exit_code)
    return Checked(package=package, name=name, seconds=time.monotonic() - began)


def junit(checks: Iterable[Checked]) -> str:
    """The report as GitLab reads it (https://docs.gitlab.com/ci/testing/unit_test_reports/)."""
    checks = list(checks)
    counts: dict[str, Any] = {
        "name": "packmill",
        "tests": len(checks),
        "failures": sum(bool(one.problem) for one in checks),
        "skipped": sum(bool(one.skipped) for one in checks),
    }
    suite = ElementTree.Element("testsuite", {name: str(value) for name, value in counts.items()})
    for one in checks:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": one.package, "name": one.name, "time": f"{one.seconds:.3f}"}
        )
        if one.problem:
            told = _xml(one.problem)
            ElementTree.SubElement(case, "failure", {"message": told.splitlines()[0]}).text = told
        if one.skipped:
            ElementTree.SubElement(case, "skipped", {"message": _xml(one.skipped)})
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold (section 2.2)."""
    return re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)
