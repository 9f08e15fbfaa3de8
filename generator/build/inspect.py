"""Read the interface of a process, as a table or as JSON, without an engine and without running anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator.documents.missing_examples import missing_examples
from generator.environment.checkout import read_environment
from generator.metadata.missing import missing_fields
from generator.notebook.interface_json import to_dict
from generator.notebook.parameters import Remark
from generator.process.process import Process, read_process
from generator.process.undeclared import describe_undeclared
from generator.process.unread_environment import describe_unread
from generator.request.build import BuildRequest
from generator.shared.safe_text import for_terminal

if TYPE_CHECKING:  # inspecting a local folder needs neither git nor settings
    from generator.repository.fetch import Checkout


def inspect(request: BuildRequest, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the object that ``packmill inspect --json`` prints.

    A local folder is read as is, without git, unless a checkout is requested. ``variables`` has the settings for git.
    """
    with _folder(request, variables) as (folder, checkout):
        warnings, left_out = (checkout.warnings, checkout.left_out) if checkout else ((), ())
        process = read_process(folder, request.processes[0], request.choices, left_out=left_out)
        process = replace(process, resources=request.resources.over(process.resources))
        if checkout:
            from generator.metadata.sources import git

            process = replace(process, metadata=process.metadata.over(git.read(checkout.source)))
        environment = read_environment(folder, standard=request.standard)
        missing = describe_unread(process, environment, folder) or describe_undeclared(process, environment, folder)
        general = (*warnings, *environment.remarks, *((missing,) if missing else ()))
        return describe(process, environment.files, general, missing_examples(folder, process))


@contextmanager
def _folder(request: BuildRequest, variables: Mapping[str, str]) -> Iterator[tuple[Path, Checkout | None]]:
    """Yield the repository's folder, and its checkout if it was fetched."""
    local = request.repository.local
    if local and request.checkout is None and not (local / "HEAD").is_file():
        yield local, None
        return
    from tempfile import TemporaryDirectory

    from generator.repository.fetch import fetch
    from generator.request.credentials import fetch_token
    from generator.request.settings import read_settings

    settings = read_settings(variables)
    with TemporaryDirectory(prefix="packmill-") as temporary:
        checkout = fetch(
            request.repository,
            request.checkout,
            Path(temporary, "repository"),
            token=fetch_token(request.repository, settings),
            policy=settings.repositories,
            submodules=settings.submodules,
            limits=settings.fetch_limits,
            with_submodules=request.submodules,
        )
        yield checkout.folder, checkout


def describe(
    process: Process, environment: tuple[str, ...], warnings: tuple[str, ...] = (), remarks: tuple[Remark, ...] = ()
) -> dict[str, Any]:
    """Return the interface of a process with its kernel, environment files, metadata, resources and all warnings."""
    interface = to_dict(process.interface)
    general = [{"line": 0, "message": warning} for warning in warnings]
    of_lines = [{"line": remark.line, "message": remark.message} for remark in remarks]
    interface["warnings"] = [*general, *interface["warnings"], *of_lines]
    return {
        "process": process.path,
        "language": process.language,
        "kernel": process.kernel,
        "environment": list(environment),
        "metadata": {**process.metadata.to_dict(), "missing": list(missing_fields(process.metadata))},
        "resources": process.resources.to_dict(),
        **interface,
    }


def table(described: dict[str, Any]) -> str:
    """Format the interface as tables."""
    kernel = f", kernel {described['kernel']}" if described["kernel"] else ""
    environment = ", ".join(described["environment"]) or "none described"
    lines = [f"{described['process']}: {described['language']}{kernel}; environment: {environment}", ""]
    inputs = [_input_row(one) for one in described["inputs"]]
    inputs += [
        (one["name"], f"{one['type']}{_of_format(one)}, staged in", _short(one["default"]), one["doc"])
        for one in described["stage_in"]
    ]
    lines += ["inputs", *_rows(("name", "type", "default", "doc"), inputs)] if inputs else ["inputs: none"]
    outputs = [(one["name"], one["type"], one["glob"], one["doc"]) for one in described["outputs"]]
    lines += (
        ["", "outputs", *_rows(("name", "type", "file", "doc"), outputs)] if outputs else ["outputs: none of its own"]
    )
    lines += _stated("metadata", described["metadata"])
    if described["metadata"]["missing"]:
        lines.append(f"  missing: {', '.join(described['metadata']['missing'])}")
    lines += _stated("resources", described["resources"])
    if described["warnings"]:
        lines += ["", "warnings"]
        lines += [
            f"  {'line ' + str(w['line']) + ': ' if w['line'] else ''}{w['message']}" for w in described["warnings"]
        ]
    return for_terminal("\n".join(lines))


def _stated(title: str, stated: dict[str, Any]) -> list[str]:
    """Return a table of values with the source of each."""
    sources = stated.get("sources", {})
    rows = [(name, _words(stated[name]), source) for name, source in sources.items()]
    return ["", title, *_rows(("name", "value", "from"), rows)] if rows else ["", f"{title}: none stated"]


def _words(value: Any) -> str:
    if isinstance(value, list):
        return _cut(", ".join(one["name"] if isinstance(one, dict) else one for one in value))
    return _cut(" ".join(str(value).split()))


def _input_row(one: dict[str, Any]) -> tuple[str, str, str, str]:
    kind = " | ".join(one["symbols"]) or _kind(one)
    kind += ", optional" if one["optional"] else ""
    kind += ", secret" if one["secret"] else ""
    needed = "default" not in one and not one["optional"]
    return one["name"], kind, "(needed)" if needed else _short(one["default"]) if "default" in one else "", one["doc"]


def _of_format(one: dict[str, Any]) -> str:
    return f" ({one['format']})" if "format" in one else ""


def _kind(one: dict[str, Any]) -> str:
    """Return a type with its range and its unit, as a hint has them: ``int[1..10] K``."""
    kind = {"date-time": "datetime"}.get(one.get("format", ""), one.get("format") or one["type"])
    low, above = one.get("minimum", one.get("minLength")), one.get("exclusiveMinimum")
    high, below = one.get("maximum", one.get("maxLength")), one.get("exclusiveMaximum")
    start = f">{above}" if above is not None else "" if low is None else str(low)
    end = f"<{below}" if below is not None else "" if high is None else str(high)
    kind += f"[{start}..{end}]" if start or end else ""
    kind += "[]" if one["array"] and one.get("format") != "bbox" else ""
    return f"{kind} {one['unit']}" if one.get("unit") else kind


def _short(value: Any) -> str:
    return _cut("" if value is None else repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


_WIDEST = 60
"""Characters of a column: a longer cell moves the rest of its own row alone."""


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [min(_WIDEST, max(len(row[column]) for row in (head, *rows))) for column in range(len(head))]
    for row in (head, *rows):
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
