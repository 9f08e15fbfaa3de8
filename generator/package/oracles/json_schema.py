"""JSON Schemas: published ones for descriptors, packmill's own for ``package.json``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from generator.package.oracles.documents import leaves_package
from generator.package.oracles.opinion import Opinion
from generator.package.record import read_json
from generator.repository.checkout import is_file
from generator.resources import data_folder

name = "JSON Schema"
profile = ""
loads = False
_REQUIRED = ("applicationDescriptor.json",)
"""Documents that every package has."""


def documents(folder: Path) -> list[Path]:
    """List the documents with a schema in ``templates/schemas``."""
    named = {f"{_stem(schema)}.json" for schema in _schemas()}
    return [folder / one for one in sorted(named) if one in _REQUIRED or is_file(folder / one)]


def judge(documents: Sequence[Path]) -> list[Opinion]:
    """Report the best match among a document's faults."""
    return [_opinion(document) for document in documents]


def _opinion(document: Path) -> Opinion:
    began = time.monotonic()
    faults = (fault,) if (fault := _fault(document)) else ()
    return Opinion(faults=faults, seconds=time.monotonic() - began)


def _fault(document: Path) -> str:
    from jsonschema.exceptions import best_match
    from jsonschema.validators import validator_for
    from referencing import Registry, Resource

    if leaves_package(document):
        return "it is a link that leaves the package"
    schema = _read(f"{document.stem}.schema.json")
    kind = validator_for(schema)
    others: Registry[Any] = Registry().with_resources(
        (one.name, Resource.from_contents(_read(one.name))) for one in _schemas()
    )
    try:
        judge_with = kind(schema, format_checker=kind.FORMAT_CHECKER, registry=others)
        fault = best_match(judge_with.iter_errors(read_json(document)))
    except (OSError, ValueError) as error:
        return str(error)
    except (RecursionError, OverflowError) as error:  # a pattern or a schema in it
        return f"it cannot be judged: {error}"
    return f"{'/'.join(map(str, fault.absolute_path)) or 'document'}: {fault.message}" if fault else ""


def _read(name: str) -> dict[str, Any]:
    """Read a schema; those of packmill refer to each other by the names of their files."""
    return dict(json.loads(_folder().joinpath(name).read_text(encoding="utf-8")))


def _schemas() -> Iterator[Path]:
    yield from _folder().glob("*.schema.json")


def _stem(schema: Path) -> str:
    return schema.name.removesuffix(".schema.json")


def _folder() -> Path:
    return data_folder("templates") / "schemas"
