"""Hypothesis strategies for interfaces with values, and the way of values through cwltool without a container.

The texts hold what has a meaning in some language on the way: quotes, expressions, tags, commands of a shell.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cwltool import main as cwltool_main
from cwltool.argparser import arg_parser
from document_context import context_of
from hypothesis import strategies as st

from generator.containers.limits import container_limits
from generator.documents.cwl.process import process_cwl
from generator.notebook.interface import Interface
from generator.package.engines.checked_cwltool import program
from generator.package.engines.execution import job_text
from generator.package.inputs import check_job
from generator.package.job_file import job_values

NAMES = (
    "id",
    "path",
    "type",
    "inputs",
    "outputs",
    "location",
    "listing",
    "runtime",
    "secondaryFiles",
    "format",
    "basename",
)
"""Names that mean something in CWL, and none of the languages keeps for itself."""
_FRAGMENTS = (
    *("'", '"', "\\", "`", "\n", "\r", "\t", "\0", "\x1b[31m", "\x85", "\u2028", "é", "中", "😀", "\ufeff", "‘", "’"),
    *("$(inputs)", "${return 1}", "\\$(x)", "$x", "$$", "$(echo marker)", "`echo marker`", "; echo marker", "%d"),
    *("{{ 1 + 1 }}", "{% if %}", "#{x}", "<b>&amp;", "!!str", "&a *a", "yes", "012", "1e5", "1:30", "~", "null", "="),
    *("# type: int", "//", "--", "/*", "'''", '"""', "]]", "--[[", "end", "NULL", "NA", "file:///x", "a#b", " ", "..."),
)
texts = st.one_of(st.text(max_size=12), st.lists(st.sampled_from(_FRAGMENTS), max_size=6).map("".join))
_floats = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-9, 9).map(float), st.sampled_from([1e-7, -0.0, 1e22])
)
_ints = st.integers(-(2**31), 2**31 - 1)
_longs = st.integers(-(2**63), 2**63 - 1)
_KEYS = st.one_of(
    st.sampled_from(("id", "path", "location", "__proto__", "a b", "name", "é", "type", "", "default")),
    st.text(max_size=4),
).filter(lambda key: not key.startswith(("$", "cwl")) and ":" not in key and key != "class")
_scalars = st.one_of(st.none(), st.booleans(), _ints, _floats, texts)
anything = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=6,
).filter(lambda value: value is not None)
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "string": texts,
    "int": _ints,
    "long": _longs,
    "float": _floats,
    "double": _floats,
    "bool": st.booleans(),
    "string[]": st.lists(texts, max_size=4),
    "int[]": st.lists(_ints, max_size=4),
    "double[]": st.lists(_floats, max_size=4),
    "bool[]": st.lists(st.booleans(), max_size=4),
    "any": anything,
}

_SIMPLE = {"string": "x", "int": 1, "long": 1, "float": 1.5, "double": 1.5, "bool": True, "any": "x"}
SIMPLE_DEFAULTS: Mapping[str, Any] = {
    hint: [_SIMPLE[hint[:-2]]] * 2 if hint.endswith("[]") else _SIMPLE[hint] for hint in VALUES
}


@dataclass(frozen=True, kw_only=True)
class Trip:
    """A default, and the values of several runs, for a parameter of a type."""

    name: str
    hint: str
    default: Any
    values: tuple[Any, ...]


@st.composite
def trips(draw: st.DrawFn, *, parameters: int, runs: int) -> list[Trip]:
    """The parameters of one interface."""
    own = [f"v{number}" for number in range(parameters)]
    chosen = draw(st.permutations(NAMES))[: parameters // 4]
    made = []
    for name in [*chosen, *own][:parameters]:
        hint = draw(st.sampled_from(tuple(VALUES)))
        default, *values = (draw(VALUES[hint]) for _ in range(1 + runs))
        made.append(Trip(name=name, hint=hint, default=default, values=tuple(values)))
    return made


def python_cell(parameters: list[Trip]) -> str:
    """The parameters cell that declares them."""
    return "\n".join(f"{one.name} = {one.default!r}  # type: {one.hint}" for one in parameters) + "\n"


def inputs_files(cell: str, runs: Sequence[Mapping[str, Any]], folder: Path) -> tuple[Interface, list[str]]:
    """The interface of a notebook, and the ``inputs.json`` that its container gets for the values of each run, by name.

    The values are checked and written as `packmill run` does. Its cwltool loads the document once, and evaluates
    each job as in cwltool's own ``main``.
    """
    context = context_of(cell)
    interface = context.process.interface
    document, job_file = folder / "process.cwl", folder / "job.json"
    document.write_text(process_cwl(context), encoding="utf-8")
    contents: list[str] = []

    def evaluate(tool: Any, _: Any, running: Any, **_rest: Any) -> tuple[dict[str, Any], str]:
        for values in runs:
            _write_job(interface, values, job_file)
            contents.append(_evaluated(tool, running, job_file))
        return {}, "success"

    _write_job(interface, {}, job_file)
    words = (container_limits().to_json(), "--quiet", "--outdir", str(folder), str(document), str(job_file))
    printed = io.StringIO()
    kept = {"custom_schema_callback": _keep_schemas}
    assert program.main(words, printed, executor=evaluate, **kept) == 0, printed.getvalue()
    return interface, contents


def _keep_schemas() -> None:
    """Leave CWL's schemas as they are: cwltool takes half a second to read them, for each document."""


def _write_job(interface: Interface, values: Mapping[str, Any], job_file: Path) -> None:
    text = json.dumps({one.id: values[one.name] for one in interface.inputs if one.name in values})
    job = job_values(text, job_file.parent, name="values")
    hints = {one.id: one.hint for one in interface.inputs}
    job_file.write_text(job_text(check_job(job, hints, job_file)), encoding="utf-8")


def _evaluated(tool: Any, running: Any, job_file: Path) -> str:
    options = arg_parser().parse_args([tool.tool["id"], str(job_file)])
    given, base, loader = cwltool_main.load_job_order(options, sys.stdin, None, [], "")
    order = cwltool_main.init_job_order(given, options, tool, loader, sys.stdout, input_basedir=base)
    job = next(tool.job(order, None, running.copy()))
    return str(job.generatefiles["listing"][0]["contents"])
