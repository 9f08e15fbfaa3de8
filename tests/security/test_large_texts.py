"""Texts of metadata and environments are read in time that grows with their size, or refused."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from notebook_texts import write_repository
from support import notebook

from generator.build.record import _parse_contents
from generator.containers.builder import _hide_mounts, build_context
from generator.containers.engine import Layer
from generator.documents.text import yaml_text
from generator.environment.conda_lock import environment_of_lock
from generator.environment.dockerfile_lines import decided_lines
from generator.environment.project import packaged_notebooks, read_toml
from generator.environment.requirements import Requirements, is_local_requirement
from generator.environment.secret_addresses import holds_secret
from generator.environment.versioning import version_variables
from generator.image.environment import plan
from generator.image.layers import describe_layer
from generator.image.names import reference
from generator.metadata.licenses import license_of_text
from generator.metadata.metadata import Person
from generator.metadata.words import read_people
from generator.notebook.languages import bash
from generator.notebook.notebook import LONGEST_READ_CELL
from generator.package.engines.log import PlainLog
from generator.process.algorithm_config import _repeated
from generator.process.process import read_process
from generator.repository.source import Source
from generator.runner.document.document import read_document
from generator.runner.server.kernels.reading import read_code
from generator.runner.server.papermill_api.requests import read_body
from generator.runner.server.problems import ProblemError
from generator.service.jobs.cell_progress import CellProgress, cell_progress
from generator.shared.errors import EnvironmentSpecError, ImageBuildError, RunnerCheckError
from generator.shared.safe_text import redacted

_SECONDS = 10
"""Many times what the slowest of these takes; what grows with the square of the size takes minutes."""


_SCM = "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_A"
_UNNAMED = {"SETUPTOOLS_SCM_PRETEND_VERSION": "1"}


def _installs_itself(text: str) -> bool:
    return plan._installs_itself(Requirements(files=(("requirements.txt", text),)))


def _describe_step(text: str) -> str:
    return describe_layer(Layer(made_by=text, size=1))


def _image_name(text: str) -> str:
    time = datetime(2026, 2, 3, tzinfo=timezone.utc)
    source = Source(address="", owner="ada", name=text, checkout="main", commit="0" * 40, message="", time=time)
    return reference(source).partition(":")[0]


def _bash_inputs(text: str) -> int:
    return len(bash.read(text).parameters)


def _versions(text: str) -> dict[str, str]:
    return version_variables([text], "1")


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        pytest.param(holds_secret, "://" * 100_000, False, id="addresses"),
        pytest.param(_bash_inputs, "x=1 " + "a " * 200_000, 0, id="a-line-of-bash"),
        pytest.param(holds_secret, "x" + "://" * 100_000 + "?my-token=1", True, id="an-address-with-a-token"),
        pytest.param(redacted, "://" * 100_000, "://" * 100_000, id="a-text-that-is-shown"),
        pytest.param(redacted, "https://a:b@c.org/" + "://" * 100_000, "https://c.org/" + "://" * 100_000, id="a-user"),
        pytest.param(_versions, "setuptools_scm" + "\n" * 200_000 + "name = 'a'", {_SCM: "1"}, id="a-setup-file"),
        pytest.param(_versions, "use_scm_version\nname = a" + " " * 100_000 + "!", _UNNAMED, id="a-name-before-spaces"),
        pytest.param(decided_lines, "RUN " + "\\" * 100_000 + "x", (frozenset({0}), 1), id="a-line-of-backslashes"),
        pytest.param(_image_name, "a" + "-" * 100_000 + "b", "b", id="a-repository-named-with-dashes"),
        pytest.param(license_of_text, "\n" * 200_000 + "x", "", id="license-of-blank-lines"),
        pytest.param(read_people, " " * 100_000 + "x", (Person(name=" " * 100_000 + "x"),), id="a-name-of-spaces"),
        pytest.param(yaml_text, "1" * 50_000 + "x", "1" * 50_000 + "x\n...\n", id="a-description-of-digits"),
        pytest.param(is_local_requirement, "[" * 60_000, False, id="a-requirement-of-brackets"),
        pytest.param(_installs_itself, "./[\n" * 100_000, False, id="open-brackets-on-many-lines"),
        pytest.param(_installs_itself, "a\n-e .[b]  \nc\n", True, id="its-own-package"),
        pytest.param(is_local_requirement, "./a" + "[x" * 30_000 + "]", True, id="a-path-with-extras"),
        pytest.param(read_people, f"a <{'@' * 200_000}", (Person(name=f"a <{'@' * 200_000}"),), id="an-open-address"),
    ],
)
def test_a_text_is_read_in_time(read: Callable[[str], object], text: str, expected: object) -> None:
    begin = time.process_time()

    assert read(text) == expected
    assert time.process_time() - begin < _SECONDS


@pytest.mark.parametrize(
    ("name", "count", "packaged"),
    [("n{}", 20_000, 2), ("my-{}-n1", 2_000, 2_000)],
    ids=["words", "names-of-several-words"],
)
def test_folders_of_notebooks_are_found_in_packaging_files_in_time(name: str, count: int, packaged: int) -> None:
    """One search of the files for each folder took hours; of very many that may be named, all are taken."""
    paths = ["top.ipynb", *(f"{name.format(number)}/{'x' * 20}/a.ipynb" for number in range(count))]
    text = " ".join(("my", "n7", *map(str, range(100_000))))
    begin = time.process_time()

    found = packaged_notebooks(paths, {"setup.py": text + " n1"})

    assert (len(found), packaged_notebooks(paths, {"setup.py": text * 2})) == (packaged, tuple(sorted(paths)))
    assert time.process_time() - begin < _SECONDS / 2


def test_inputs_that_are_defined_twice_are_found_in_time() -> None:
    begin = time.process_time()

    assert _repeated([*map(str, range(40_000)), "7"]) == ["7"]
    assert time.process_time() - begin < _SECONDS / 5


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        pytest.param(_hide_mounts, "--mount=" * 20_000 + "\t", "\t", id="mounts-in-the-output-of-a-build"),
        pytest.param(_hide_mounts, "RUN --mount=type=cache,id=x  \\ a", "RUN  a", id="a-mount"),
        pytest.param(PlainLog().pick, "WARNING " + "object id " * 50_000, ..., id="a-line-of-a-container"),
        pytest.param(_describe_step, "RUN echo" + " " * 100_000 + "x", "RUN echo x", id="a-step-of-spaces"),
        pytest.param(_describe_step, "RUN echo x   # buildkit", "RUN echo x", id="a-step"),
    ],
)
def test_what_a_build_or_a_container_prints_is_read_in_time(
    read: Callable[[str], object], text: str, expected: object
) -> None:
    begin = time.process_time()
    found = read(text)

    assert time.process_time() - begin < _SECONDS / 5
    assert found == (text.rstrip() if expected is ... else expected)


def test_the_output_of_a_failed_build_is_summarized_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line may have a mebibyte, and some patterns take time with the square of its length."""
    docker = tmp_path / "docker"
    line = "> [" * 60_000
    docker.write_text(f"#!/bin/sh\nfor _ in 1 2 3 4 5 6 7 8; do echo '#7 0.1 {line}'; done\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    begin = time.process_time()

    with pytest.raises(ImageBuildError, match="image build failed"):
        build_context(tmp_path, image="x:y", time=0, on_line=lambda _: None)
    assert time.process_time() - begin < _SECONDS / 5


def test_an_image_that_lists_very_many_packages_is_refused() -> None:
    """The image makes the list itself, and a bill of materials of a million packages would take 20 GB of memory."""
    with pytest.raises(RunnerCheckError, match="lists more than 50000 packages"):
        _parse_contents({"contents": [{"name": "x", "version": "1"}] * 50_001}, "ada/trees")


def test_the_progress_in_a_log_of_blank_lines_is_read_in_time(tmp_path: Path) -> None:
    """Every page that shows a running job reads it."""
    (tmp_path / "trace").write_text("\n" * 65_000 + "cell 2 of 3: x = 1\n")
    begin = time.process_time()

    assert cell_progress(tmp_path / "trace") == CellProgress(2, 3)
    assert time.process_time() - begin < _SECONDS / 2


@pytest.mark.parametrize("body", [b'"' + b'\\"' * 1_000_000, b"," + b" " * 1_000_000 + b"," * 1_000_000])
def test_a_body_with_a_string_or_commas_without_end_is_refused_in_time(body: bytes) -> None:
    """Requests to `/run` may have commas before a closing bracket, and their bodies many megabytes."""
    begin = time.process_time()

    with pytest.raises(ProblemError):
        read_body(body, ())
    assert time.process_time() - begin < _SECONDS


def test_commas_before_a_bracket_are_ignored_outside_of_texts() -> None:
    assert read_body(b'{"a": [1, 2, ], "b": ",}\\",]",}', ("a", "b")) == {"a": [1, 2], "b": ',}",]'}


def test_a_key_of_toml_with_very_many_parts_is_refused() -> None:
    with pytest.raises(
        EnvironmentSpecError, match=r"pyproject\.toml line 2: more than 1000 dots in a line, and not read"
    ):
        read_toml(f"x = 1\na{'.a' * 200_000} = 1\n", "pyproject.toml")


def test_a_metadata_cell_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    cells = notebook("x = 1", "name = 'Trees'\n" + "#" * LONGEST_READ_CELL)
    cells["cells"][1]["metadata"] = {"tags": ["metadata"]}
    process = read_process(tmp_path, write_repository(tmp_path, json.dumps(cells).encode()))

    assert process.metadata.name != "Trees"
    assert "(metadata): longer than 200,000 characters" in process.interface.warnings[-1].message


def test_an_address_of_a_conda_lock_that_is_none_is_only_a_name() -> None:
    package = {
        "name": "a",
        "manager": "conda",
        "platform": "linux-64",
        "version": "1",
        "url": "http://[/a-1-b_0.conda?x",
    }
    lock = json.dumps({"version": 1, "package": [package], "metadata": {"channels": []}})

    assert "- a=1=b_0" in environment_of_lock(lock, "conda-lock.yml", machine="x86_64")


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        pytest.param("\n" * 200_000, "", id="blank-lines"),
        pytest.param(" \n" * 100_000, "", id="lines-of-spaces"),
        pytest.param("%load_ext" + "\n" * 200_000, "", id="an-extension-without-a-name"),
        pytest.param("a" + ".f()" * 1500, "", id="a-chain-of-calls"),
        pytest.param("\n".join(["a" + ".f()" * 300] * 50), "", id="many-chains-of-calls"),
        pytest.param(f"a[{'+'.join(['1'] * 900)}] = 1", "", id="a-long-index"),
        pytest.param(f"os.environ[{'+'.join(['a'] * 900)}] = 1", "os.environ", id="a-long-name-of-a-variable"),
        pytest.param("getattr(os, 'environ').update(A='1')", "getattr.environ.update", id="a-name-in-a-text"),
    ],
)
def test_how_a_notebook_can_be_served_is_read_in_time(cell: str, found: str) -> None:
    begin = time.process_time()

    code = read_code(read_document(json.dumps(notebook(cell)).encode(), "a.ipynb"))

    assert code.sets_environment == found
    assert time.process_time() - begin < _SECONDS
