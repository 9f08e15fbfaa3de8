"""Every reader of YAML has one clear error for a value that does not fit its tag."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from generator.environment.conda import check_conda_environment
from generator.environment.conda_lock import environment_of_lock
from generator.notebook.literals import MisfitError
from generator.notebook.text_formats.header import load_yaml
from generator.package.job_file import read_yaml
from generator.service.project import pipeline_file
from generator.shared.errors import PackmillError

_YAML_1_1 = "%YAML 1.1\n---\n"


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda text: environment_of_lock(text, "conda-lock.yml"), id="conda-lock.yml"),
        pytest.param(lambda text: load_yaml(text, "process.qmd", line=0), id="header of a text notebook"),
        pytest.param(lambda text: read_yaml(_YAML_1_1 + text), id="job file"),
        pytest.param(lambda text: check_conda_environment(_YAML_1_1 + text, "environment.yml"), id="environment.yml"),
    ],
)
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("0x" + "f" * 4_000, id="hexadecimal"),
        pytest.param("1:" * 500 + "1.5", id="a-fraction-of-sixties"),
        pytest.param("1:" * 400_000 + "1", id="sixties"),
        pytest.param(f"!!int '{'1:' * 400_000}1'", id="sixties-with-a-tag"),
    ],
)
def test_a_number_beyond_what_python_has_is_refused_in_time(read: Callable[[str], object], value: str) -> None:
    """Numbers in the base 60 of YAML 1.1 take time with the square of their length."""
    begin = time.process_time()

    with pytest.raises((PackmillError, MisfitError)):
        read(f"name: {value}\n")
    assert time.process_time() - begin < 10


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda text: check_conda_environment(text, "environment.yml"), id="environment.yml"),
        pytest.param(lambda text: environment_of_lock(text, "conda-lock.yml"), id="conda-lock.yml"),
        pytest.param(lambda text: load_yaml(text, "process.qmd", line=0), id="header of a text notebook"),
        pytest.param(read_yaml, id="job file"),
        pytest.param(lambda text: pipeline_file.read(text, timeout=1), id="pipeline file"),
    ],
)
@pytest.mark.parametrize("value", ["!!bool maybe", "!!int ''", "!!float text", "!!set text"])
def test_a_value_that_does_not_fit_its_tag_is_refused(read: Callable[[str], object], value: str) -> None:
    with pytest.raises((PackmillError, MisfitError)):
        read(f"name: {value}\n")
