"""``packmill validate``: every oracle over a package, one line each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from generator.errors import DocumentError, UsageError
from generator.templates import data_folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What one oracle says of one document; ``problem`` is empty when it is content."""

    document: str
    oracle: str
    problem: str


def validate(package: Path) -> list[Verdict]:
    """The verdicts of all oracles.

    Raises:
        UsageError: the folder is no package.
    """
    from generator.tools import cwl

    processes = sorted({package / "process.cwl", *package.glob("*/process.cwl")})
    folders = [path.parent for path in processes if path.is_file()]
    if not folders:
        raise UsageError(f"{package}: no package, there is no process.cwl in it")
    verdicts = []
    for folder in folders:
        for document in sorted(folder.glob("*.cwl")):
            name = str(document.relative_to(package))
            verdicts.append(
                Verdict(document=name, oracle="cwltool --validate --strict", problem=cwl.validate(document))
            )
        descriptor = folder / "applicationDescriptor.json"
        problem = _schema_problem(descriptor)
        verdicts.append(Verdict(document=str(descriptor.relative_to(package)), oracle="JSON Schema", problem=problem))
    return verdicts


def _schema_problem(document: Path) -> str:
    import jsonschema

    schema = json.loads(
        (data_folder("templates") / "schemas" / f"{document.stem}.schema.json").read_text(encoding="utf-8")
    )
    try:
        jsonschema.validate(json.loads(document.read_text(encoding="utf-8")), schema)
    except (OSError, ValueError) as error:
        return str(error)
    except jsonschema.ValidationError as error:
        return f"{'/'.join(map(str, error.absolute_path)) or 'document'}: {error.message}"
    return ""


def report(verdicts: list[Verdict], *, as_json: bool) -> int:
    """Prints the verdicts.

    Raises:
        DocumentError: one of them is a problem.
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
