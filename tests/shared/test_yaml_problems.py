"""Every reader of YAML has one clear error for a value that does not fit its tag."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from generator.environment.conda import check_conda_environment
from generator.environment.conda_lock import environment_of_lock
from generator.metadata.sources.yaml_document import read_mapping
from generator.notebook.literals import MisfitError
from generator.notebook.text_formats.header import load_yaml
from generator.package.job_file import read_yaml
from generator.package.plain_document import read_document
from generator.process.algorithm_config import read_algorithm_config
from generator.service.project import pipeline_file
from generator.shared.errors import PackmillError
from generator.shared.failures import BadInputsError
from generator.staging.network.credentials import parse_credentials

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


@pytest.mark.parametrize("text", ['name: "\\U80000000"\n', f"%YAML 1.{'9' * 5_000}\n---\nname: x\n"])
def test_a_character_or_a_version_beyond_what_python_has_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "file.yml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match="not valid YAML"):
        read_mapping(text)
    with pytest.raises(PackmillError, match="cannot be read as a CWL document"):
        read_document(file)
    with pytest.raises(PackmillError, match="not valid YAML"):
        read_algorithm_config(file, "algorithm_config.yml")
    with pytest.raises(BadInputsError, match="a mapping such as"):
        parse_credentials(text)


@pytest.mark.parametrize("value", ["!!binary aGk=", "{? !!binary aGk= : 1}", "!!set {a}", "!!omap [a: 1]"])
def test_a_header_has_only_values_that_parameters_can_have(value: str) -> None:
    with pytest.raises(PackmillError, match="unknown tag"):
        load_yaml(f"params:\n  n: {value}\n", "process.Rmd", line=0)


def test_a_time_with_a_tag_stays_text_in_a_header() -> None:
    assert load_yaml("n: !!timestamp 2026-01-31\n", "process.Rmd", line=0) == {"n": "2026-01-31"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("inputs: [{name: a, default: {? !!binary aGk= : 1}}]\n", id="names-that-are-not-text"),
        pytest.param("inputs: =\n", id="no-list"),
        pytest.param("? !!omap [a: 1]\n: 1\n", id="a-key-that-the-metadata-do-not-have"),
    ],
)
def test_a_configuration_that_only_one_parser_reads_is_a_mistake(text: str, tmp_path: Path) -> None:
    file = tmp_path / "algorithm_config.yml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(PackmillError, match=r"algorithm_config\.yml"):
        read_algorithm_config(file, "algorithm_config.yml")
