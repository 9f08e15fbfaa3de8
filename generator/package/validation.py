"""Run all validators on a package."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from generator.package.document_rules import broken_rules
from generator.package.document_rules.values import foreign_files
from generator.package.record import read_json
from generator.resources import data_folder
from generator.shared.errors import DocumentError, UsageError


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
    from generator.package.engines import cwltool as cwl

    processes = sorted({package / "process.cwl", *package.glob("*/process.cwl")})
    folders = [path.parent for path in processes if path.is_file()]
    if not folders:
        raise UsageError(f"{package}: not a package, process.cwl is missing")
    verdicts = []
    for folder in folders:
        documents = sorted(folder.glob("*.cwl"))
        for one in documents:
            own = _verdict(one, package, "container and expressions", _foreign_parts)
            oracle = _not_loaded if own.problem else cwl.validate
            verdicts += [own, _verdict(one, package, "cwltool --validate --strict", oracle)]
        verdicts += [
            _verdict(one, package, "files in the package", _foreign_files) for one in folder.glob("inputs.yml")
        ]
        descriptor = folder / "applicationDescriptor.json"
        verdicts.append(_verdict(descriptor, package, "JSON Schema", _schema_problem))
    return verdicts


def _verdict(document: Path, package: Path, oracle: str, problem_of: Callable[[Path], str]) -> Verdict:
    began = time.monotonic()
    problem = problem_of(document)
    name = str(document.relative_to(package))
    return Verdict(document=name, oracle=oracle, problem=problem, seconds=time.monotonic() - began)


def _foreign_parts(document: Path) -> str:
    return "\n".join(problem.removeprefix(f"{document.name}: ") for problem in broken_rules(document))


def _not_loaded(_: Path) -> str:
    """Report that a document was not loaded: CWL's loader would read any file that it names."""
    return "not loaded, because it has parts that packmill does not write"


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
