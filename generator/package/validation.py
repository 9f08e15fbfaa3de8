"""Run all validators on a package."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from generator.package.document_rules import broken_rules
from generator.package.document_rules.values import foreign_files
from generator.package.engines import cwltool
from generator.package.record import read_json
from generator.resources import data_folder
from generator.shared.errors import DocumentError, UsageError

_NOT_LOADED = cwltool.Validation(problem="not loaded, because it has parts that packmill does not write", seconds=0.0)
"""CWL's loader would read any file that such a document names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The result of one validator for one document; ``problem`` is empty for a valid document."""

    document: str
    oracle: str
    problem: str
    seconds: float = 0.0


def validate(package: Path) -> list[Verdict]:
    """Run all validators on the packages in a folder.

    Raises:
        UsageError: the folder is not a package.
    """
    processes = sorted({package / "process.cwl", *package.glob("*/process.cwl")})
    folders = [path.parent for path in processes if path.is_file()]
    if not folders:
        raise UsageError(f"{package}: not a package, process.cwl is missing")
    verdicts = []
    for folder in folders:
        verdicts += _validate_cwl(sorted(folder.glob("*.cwl")), package)
        verdicts += [
            _verdict(one, package, "files in the package", _foreign_files) for one in folder.glob("inputs.yml")
        ]
        descriptor = folder / "applicationDescriptor.json"
        verdicts.append(_verdict(descriptor, package, "JSON Schema", _schema_problem))
    return verdicts


def _validate_cwl(documents: list[Path], package: Path) -> list[Verdict]:
    """Give two verdicts on each document; only those that pass the first are loaded."""
    own = [_verdict(one, package, "container and expressions", _foreign_parts) for one in documents]
    loaded = [one for one, verdict in zip(documents, own, strict=True) if not verdict.problem]
    by_cwltool = dict(zip(loaded, cwltool.validate(loaded) if loaded else (), strict=True))
    verdicts = []
    for document, verdict in zip(documents, own, strict=True):
        found = by_cwltool.get(document, _NOT_LOADED)
        oracle = replace(verdict, oracle="cwltool --validate --strict", problem=found.problem, seconds=found.seconds)
        verdicts += [verdict, oracle]
    return verdicts


def _verdict(document: Path, package: Path, oracle: str, problem_of: Callable[[Path], str]) -> Verdict:
    began = time.monotonic()
    problem = problem_of(document)
    name = str(document.relative_to(package))
    return Verdict(document=name, oracle=oracle, problem=problem, seconds=time.monotonic() - began)


def _foreign_parts(document: Path) -> str:
    return "\n".join(problem.removeprefix(f"{document.name}: ") for problem in broken_rules(document))


def _foreign_files(job: Path) -> str:
    return "\n".join(problem.removeprefix(f"{job.name}: ") for problem in foreign_files(job))


def _schema_problem(document: Path) -> str:
    import jsonschema

    schema = json.loads(
        (data_folder("templates") / "schemas" / f"{document.stem}.schema.json").read_text(encoding="utf-8")
    )
    try:
        jsonschema.validate(read_json(document), schema)
    except (OSError, ValueError) as error:
        return str(error)
    except jsonschema.ValidationError as error:
        return f"{'/'.join(map(str, error.absolute_path)) or 'document'}: {error.message}"
    return ""


def report(verdicts: list[Verdict], *, as_json: bool) -> int:
    """Print the verdicts.

    Raises:
        DocumentError: a document is invalid.
    """
    problems = [f"{verdict.document}: {verdict.problem}" for verdict in verdicts if verdict.problem]
    if as_json:
        rows = [
            {"document": v.document, "oracle": v.oracle, "valid": not v.problem, "problem": v.problem} for v in verdicts
        ]
        print(json.dumps(rows, indent=1))
        return DocumentError.exit_code if problems else 0
    for verdict in verdicts:
        print(f"{'ok  ' if not verdict.problem else 'FAIL'}  {verdict.document}: {verdict.oracle}")
    if problems:
        raise DocumentError("\n".join(problems))
    return 0
