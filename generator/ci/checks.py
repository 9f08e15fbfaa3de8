"""The checks of a pipeline: the validators of every package, a run on example values, and a JUnit report of both."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from generator.containers.limits import ContainerLimits
from generator.package.folder import holder_of
from generator.package.inputs import missing_values
from generator.package.run import run_package
from generator.package.validation import validate
from generator.progress import Progress
from generator.repository.process_folders import process_folder
from generator.shared.errors import PackmillError, describe_exit, one_sentence


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """The result of one check; ``problem`` is empty on success, ``skipped`` is the reason for skipping it.

    ``reason`` is the problem in one sentence (default: its first line).
    """

    package: str
    name: str
    seconds: float
    problem: str = ""
    skipped: str = ""
    exit_code: int = 0
    reason: str = ""


def check(
    packages: Sequence[Path],
    *,
    base: Path,
    results: Path,
    progress: Progress,
    limits: ContainerLimits | None = None,
    network: str | None = None,
) -> list[CheckResult]:
    """Check packages, named by their paths below ``base``; outputs of example runs go to ``results``.

    With several packages, each has a folder there: that of its package, or ``process.ipynb`` for the default process.
    ``limits`` apply to the containers of these runs; ``network`` is the engine's network for their steps.
    """
    found: list[CheckResult] = []
    for folder in packages:
        name = folder.relative_to(base).as_posix()
        with progress.step(f"Validating {name}"):
            found += _validate(folder, name, progress)
        with progress.step(f"Running {name} on its example values"):
            outdir = results / _results_name(folder) if len(packages) > 1 else results
            found.append(_run_example(folder, name, outdir, progress, limits=limits, network=network))
    return found


def _results_name(package: Path) -> str:
    holder = holder_of(package)
    process = holder.process if holder else package.name
    return process_folder(process) or process


def _validate(folder: Path, package: str, progress: Progress) -> list[CheckResult]:
    found = []
    for verdict in validate(folder, profile=None):
        progress.say(f"{verdict.result.ljust(4)}  {verdict.document}: {verdict.oracle}")
        name = f"{verdict.document}: {verdict.oracle}"
        found.append(
            CheckResult(
                package=package,
                name=name,
                seconds=verdict.seconds,
                problem=verdict.problem,
                exit_code=17 if verdict.problem else 0,
            )
        )
    return found


def _run_example(
    folder: Path,
    package: str,
    outdir: Path,
    progress: Progress,
    *,
    limits: ContainerLimits | None,
    network: str | None,
) -> CheckResult:
    began, name = time.monotonic(), "run on its example values"
    try:
        missing = missing_values(folder)
        if missing:
            why = f"no example value for {', '.join(missing)}"
            progress.say(f"skipped: {why}")
            return CheckResult(package=package, name=name, seconds=0, skipped=why)
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
        return CheckResult(
            package=package,
            name=name,
            seconds=taken,
            problem=str(error),
            exit_code=error.exit_code,
            reason=error.reason,
        )
    return CheckResult(package=package, name=name, seconds=time.monotonic() - began)


def junit(checks: Iterable[CheckResult]) -> str:
    """Format the results as a JUnit report for GitLab (https://docs.gitlab.com/ci/testing/unit_test_reports/)."""
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
            suite, "testcase", {"classname": _xml(one.package), "name": _xml(one.name), "time": f"{one.seconds:.3f}"}
        )
        if one.problem:
            reason, kind = _xml(one.reason or one_sentence(one.problem)), describe_exit(one.exit_code)
            ElementTree.SubElement(case, "failure", {"message": reason, "type": kind}).text = _xml(one.problem)
        if one.skipped:
            ElementTree.SubElement(case, "skipped", {"message": _xml(one.skipped)}).text = _xml(one.skipped)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """Replace the characters that XML 1.0 does not allow (section 2.2)."""
    return re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)
