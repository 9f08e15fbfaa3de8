"""Mistakes in YAML and JSON are named with their line and cause, in every file that users write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from generator.package.job_file import read_job
from generator.process.algorithm_config import read_algorithm_config
from generator.runner.packaged.values import read_inputs
from generator.runner.standalone.parameters import ParameterOptions, read_parameters
from generator.service.project import pipeline_file
from generator.shared.errors import PackmillError
from generator.shared.failures import RunFailedError

_MISTAKES = {
    "n: 1\nn: 2\n": (2, "'n' is given twice"),
    "n: 1\r\nn: 2\r\n": (2, "'n' is given twice"),
    "a:\n  n: 1\n  m: 2\n  n: 3\n": (4, "'n' is given twice"),
    '{"n": 1,\n "n": 2}\n': (2, "'n' is given twice"),
    "a:\n\tb: 1\n": (2, "the line begins with a tab; indent with spaces"),
    'm: 1\nn: "abc\no: 1\n': (2, "the quote that begins here is not closed"),
    "m: 1\nn: 'abc\no: 1\n": (2, "the quote that begins here is not closed"),
    "a:\n  b: 1\n c: 2\n": (3, "the indentation fits neither the line above nor an earlier one"),
    "n: 1\n---\nm: 2\n": (2, "a second document begins; give one"),
    "n: 1\nm: *y\n": (2, "found undefined alias 'y'"),
    "m: 1\nn: @x\n": (2, "a value cannot begin with '@'; write it in quotes"),
    "n: a: b\n": (1, "': ' within a value, or a wrong indentation; write the value in quotes"),
    "m: 1\nn:1\no: 2\n": (2, "': ' is missing after a name"),
    "m: 1\nn: [1, 2\n": (2, "the [ that begins here is not closed"),
    'm: 1\nn: {"a": 1\n': (2, "the { that begins here is not closed"),
    "n: !!python/object:os.system x\n": (1, "unknown tag 'tag:yaml.org,2002:python/object:os.system'"),
}


def _refusal(read: Callable[[], object]) -> str:
    with pytest.raises((PackmillError, RunFailedError)) as refusal:
        read()
    return str(refusal.value)


@pytest.mark.parametrize("text", _MISTAKES)
def test_in_values_of_a_run(text: str, tmp_path: Path) -> None:
    (file := tmp_path / "job.yml").write_bytes(text.encode())
    line, problem = _MISTAKES[text]

    assert _refusal(lambda: read_job(file)) == f"{file} line {line}: {problem}"
    assert (
        _refusal(lambda: read_parameters(ParameterOptions(files=(str(file),)), {})) == f"{file} line {line}: {problem}"
    )
    assert _refusal(lambda: read_parameters(ParameterOptions(yaml=(text,)), {})) == f"-y line {line}: {problem}"


@pytest.mark.parametrize("text", [text for text in _MISTAKES if "!!" not in text])
def test_in_files_of_a_repository(text: str, tmp_path: Path) -> None:
    (file := tmp_path / "algorithm_config.yml").write_bytes(text.encode())
    line, problem = _MISTAKES[text]

    in_config = _refusal(lambda: read_algorithm_config(file, "algorithm_config.yml"))
    assert in_config.split() == f"algorithm_config.yml line {line}: not valid YAML: {problem}".split()
    assert _refusal(lambda: pipeline_file.read(text, timeout=1)) == f".gitlab-ci.yml: line {line}: {problem}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"n": 1,\n}', "line 2: Expecting property name enclosed in double quotes"),
        ('{"n": 1,\n "m": 2', "line 2: Expecting ',' delimiter"),
        ('{"n": 1, "n": 2}', "'n' is given twice"),
        ("n: 1", "line 1: Expecting value"),
    ],
)
def test_in_the_input_object_of_the_runner(text: str, problem: str, tmp_path: Path) -> None:
    (file := tmp_path / "inputs.json").write_text(text)

    assert _refusal(lambda: read_inputs(file)).startswith(f"{file}: not a JSON object: {problem}")


@pytest.mark.parametrize("text", ["n:1\n", "n = 1\n", "- n\n"])
def test_a_document_that_is_not_a_mapping_is_refused_with_an_example(text: str, tmp_path: Path) -> None:
    (file := tmp_path / "job.yml").write_text(text)

    assert "write a line 'name: value' for each" in _refusal(lambda: read_job(file))
    assert "write a line 'name: value' for each" in _refusal(
        lambda: read_parameters(ParameterOptions(yaml=(text,)), {})
    )


def test_another_encoding_is_no_part_of_a_value(tmp_path: Path) -> None:
    (file := tmp_path / "job.yml").write_bytes(b"m: 1\nn: \xe9t\xe9\n")

    assert _refusal(lambda: read_job(file)) == f"{file}: not text in UTF-8; save the file in this encoding"
    assert (
        _refusal(lambda: read_parameters(ParameterOptions(files=(str(file),)), {}))
        == f"{file} line 2: not text in UTF-8; save the file in this encoding"
    )


def test_anchors_merges_and_commas_at_an_end_are_no_mistakes(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3\nc: [1,\n 2,]\n"
    (file := tmp_path / "job.yml").write_text(text)
    expected = {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}, "c": [1, 2]}

    assert read_job(file) == expected
    assert read_parameters(ParameterOptions(yaml=(text,)), {}) == expected
