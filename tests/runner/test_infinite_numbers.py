"""Infinite numbers and NaN: parameters of a run, and never part of a JSON file, which lacks them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support import Folder

from generator.notebook.literals import MisfitError, fit, fit_default
from generator.notebook.parameters import CwlType, Hint
from generator.package.assignments import typed_value
from generator.package.engines.execution import job_text
from generator.package.inputs import check_job
from generator.package.job_file import job_values
from generator.runner.document.injection import find_translator
from generator.shared.json_text import json_text

_FLOAT, _FLOATS = Hint(type=CwlType.FLOAT), Hint(type=CwlType.FLOAT, array=True)


@pytest.mark.parametrize("text", ["inf", "Infinity", "+inf", ".inf", ".Inf", "INF"])
def test_infinity_is_a_float_in_the_words_of_python_yaml_and_json(text: str) -> None:
    assert fit(text, _FLOAT) == float("inf")
    assert fit(f"-{text.lstrip('+')}", _FLOAT) == float("-inf")


@pytest.mark.parametrize("text", ["nan", "NaN", ".nan", ".NAN"])
def test_so_is_nan(text: str) -> None:
    assert repr(fit(text, _FLOAT)) == "nan"


@pytest.mark.parametrize("text", ["inf", ".inf", "nan"])
def test_no_integer_is_infinite(text: str) -> None:
    with pytest.raises(MisfitError, match="an int is needed"):
        fit(text, Hint(type=CwlType.INT))


@pytest.mark.parametrize("text", ["1e999", "in", "infinite", "i.nf", "info"])
def test_other_words_and_overflows_are_no_number(text: str) -> None:
    with pytest.raises(MisfitError, match="a float is needed"):
        fit(text, _FLOAT)


def test_a_default_has_to_be_finite() -> None:
    with pytest.raises(MisfitError, match="which JSON and CWL lack; give a finite default, or compute it"):
        fit_default("inf", _FLOAT)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("python", ["float('inf')", "float('-inf')", "float('nan')", "0.5"]),
        ("R", ["Inf", "-Inf", "NaN", "0.5"]),
        ("julia", ["Inf", "-Inf", "NaN", "0.5"]),
        ("scala", ["Double.PositiveInfinity", "Double.NegativeInfinity", "Double.NaN", "0.5"]),
        ("c#", ["double.PositiveInfinity", "double.NegativeInfinity", "double.NaN", "0.5"]),
        ("f#", ["infinity", "-infinity", "nan", "0.5"]),
    ],
)
def test_each_language_has_its_own_words(language: str, words: list[str]) -> None:
    translator = find_translator("", language)
    assert translator

    assert [translator.literal(float(text)) for text in ("inf", "-inf", "nan", "0.5")] == words


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(), parse_constant=_refuse)


def test_json_has_null_for_them() -> None:
    assert json.loads(json_text({"a": [float("inf"), 1], float("nan"): "\udc80"})) == {"a": [None, 1], "nan": "\udc80"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (("-p", "limit", "inf"), "inf [1.0]"),
        (("-r", "limit", "-Infinity"), "-inf [1.0]"),
        (("-y", "{limit: .nan, limits: [.inf, -.inf, inf, 2]}"), "nan [inf, -inf, inf, 2]"),
        (("-f", "job.yml"), "-inf [nan]"),
    ],
)
def test_they_are_parameters_of_a_run(words: tuple[str, ...], printed: str, tmp_path: Path) -> None:
    here = Folder(tmp_path)
    (tmp_path / "job.yml").write_text("limit: -.inf\nlimits: [.nan]\n")
    cell = "print(limit, limits)\nfrom packmill import glue\nglue('limit', {'n': [limit]})"
    here.write("limit = 1.0  # type: float\nlimits = [1.0]  # type: float[]", cell)

    done = here.run("in.ipynb", "out.ipynb", *words, "--results", "results")

    assert done.returncode == 0, done.stderr
    assert here.texts() == f"{printed}\n"
    assert _read_json(tmp_path / "results/scraps.json") == {"limit": {"n": [None]}}
    given = printed.split(maxsplit=1)[0]
    assert _read_json(tmp_path / "results/result.json")["parameters"]["limit"] == given
    assert _read_json(tmp_path / "out.ipynb")["metadata"]["papermill"]["parameters"]["limit"] == given


def test_jobs_and_options_of_packages_have_them_for_floats_only(tmp_path: Path) -> None:
    hints = {"limit": _FLOAT, "limits": _FLOATS, "any": Hint(), "n": Hint(type=CwlType.INT)}
    job = job_values("limit: .inf\nlimits: [-.inf, 1]\nany: {a: .inf}\n", tmp_path, name="job.yml")

    assert check_job(job, hints, tmp_path / "job.yml") == {
        "limit": float("inf"),
        "limits": [float("-inf"), 1],
        "any": {"a": float("inf")},
    }
    assert typed_value("-inf", _FLOAT, tmp_path) == float("-inf")
    assert typed_value("[1, .inf, inf]", _FLOATS, tmp_path) == [1, float("inf"), float("inf")]
    with pytest.raises(MisfitError, match="an int is needed"):
        typed_value(".inf", hints["n"], tmp_path)


_TOOL = """\
cwlVersion: v1.2
class: CommandLineTool
requirements: {InitialWorkDirRequirement: {listing: [{entryname: inputs.json, entry: $(inputs)}]}}
baseCommand: [cat, inputs.json]
inputs: {limit: float, limits: "float[]", word: string}
outputs: {text: stdout}
stdout: got.json
"""


@pytest.mark.slow
def test_cwltool_hands_them_to_the_runner(tmp_path: Path) -> None:
    """The job has YAML's words for them: cwltool takes JSON's ``Infinity`` of Python for text."""
    job = {"limit": float("inf"), "limits": [float("-inf"), float("nan"), 1.5], "word": ".inf"}
    (tmp_path / "tool.cwl").write_text(_TOOL)
    (tmp_path / "job.json").write_text(job_text(job))

    subprocess.run(["cwltool", "--quiet", "tool.cwl", "job.json"], cwd=tmp_path, check=True, capture_output=True)

    assert repr(json.loads((tmp_path / "got.json").read_text())) == repr(job)
