"""A request may choose the kernel and the language of a notebook whose metadata lack them or are wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from forked_programs import RUNNER, run
from real_kernels import require_kernel
from support import Finished, Folder, commit_all, notebook, write_notebook

from generator.notebook.choices import Choices
from generator.notebook.notebook import read_notebook
from generator.process.process import read_process
from generator.request.variables import from_variables


@pytest.mark.parametrize(
    ("choices", "kernel", "language"),
    [
        (Choices(), "python3", "python"),
        (Choices(kernel="ir"), "ir", "r"),
        (Choices(kernel="my-env"), "my-env", "python"),
        (Choices(language="r"), None, "r"),
        (Choices(language="python"), "python3", "python"),
        (Choices(kernel="my-env", language="julia"), "my-env", "julia"),
    ],
)
def test_a_choice_precedes_the_metadata(choices: Choices, kernel: str | None, language: str) -> None:
    data = json.dumps(notebook("n = 3")).encode()

    read = read_notebook(choices.apply(data, "a.ipynb"), "a.ipynb")

    assert (read.kernel, read.language) == (kernel, language)


def test_a_language_keeps_a_kernel_of_an_unknown_one() -> None:
    data = json.dumps(notebook("n <- 3", kernel="conda-env-x")).encode()

    read = read_notebook(Choices(language="r").apply(data, "a.ipynb"), "a.ipynb")

    assert (read.kernel, read.language) == ("conda-env-x", "r")


def test_a_package_carries_the_choices(tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    write_notebook(tmp_path / "r" / "process.ipynb", "n <- 3L  # type: int", "print(n)")
    commit_all(tmp_path / "r")

    wrong = packmill("inspect", tmp_path / "r")
    inspected = packmill("inspect", tmp_path / "r", "--kernel", "ir", "--json")
    built = packmill("build", tmp_path / "r", "--no-image", "--output", tmp_path / "p", "--kernel", "ir")

    assert wrong.code == 13
    described = json.loads(inspected.out)
    assert (described["kernel"], described["language"], described["inputs"][0]["type"]) == ("ir", "r", "int")
    package = Path(built.out.splitlines()[-1])
    arguments = yaml.safe_load((package / "process.cwl").read_text())["arguments"]
    assert arguments[:6] == ["--process", "process.ipynb", "--kernel", "ir", "--language", "r"]
    process = read_process(tmp_path / "r", "process.ipynb", Choices(kernel="ir"))
    assert (process.has_chosen_kernel, process.chosen_language) == (True, "r")


def test_choices_that_the_notebook_states_itself_change_no_document(tmp_path: Path) -> None:
    write_notebook(tmp_path / "process.ipynb", "n = 3")

    assert read_process(tmp_path, "process.ipynb", Choices(language="python")).chosen_language == ""


def test_variables_of_a_pipeline_choose(tmp_path: Path) -> None:
    request = from_variables({"repository": str(tmp_path), "kernel": "ir", "language": "R"})

    assert request is not None
    assert request.choices == Choices(kernel="ir", language="r")


@pytest.mark.parametrize(("option", "value"), [("--kernel", "a b"), ("--kernel", "../x"), ("--language", "--x")])
def test_what_is_no_name_is_refused(option: str, value: str, tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    finished = packmill("inspect", tmp_path, f"{option}={value}")

    assert finished.code == 2
    assert f"{option.removeprefix('--')} {value!r}: " in finished.err


def test_a_script_has_neither(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("echo\n")

    warnings = read_process(tmp_path, "run.sh", Choices(kernel="ir")).interface.warnings

    assert warnings[-1].message == "a shell script: kernel, language and parameters cell are for notebooks"


def check(folder: Path, *words: str) -> tuple[int, Any]:
    command = (RUNNER, "check", "--process", "in.ipynb", "--repository", folder)
    environment = {**os.environ, "JUPYTER_PATH": str(require_kernel("bash"))}
    done = run(*command, *words, env=environment)
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else done.stderr


def test_the_image_must_have_a_chosen_kernel(tmp_path: Path) -> None:
    Folder(tmp_path).write("n=3", "echo $n")

    missing, message = check(tmp_path, "--kernel", "other", "--exact-kernel")
    _, other_language = check(tmp_path, "--kernel", "bash", "--exact-kernel")

    assert missing == 4
    assert "kernel 'other': not found in the image; available kernels: " in message
    assert "bash (bash)" in message
    assert other_language["warnings"][0].startswith("kernel 'bash' runs bash, but the notebook states python, and so")


def test_a_run_writes_parameters_in_the_chosen_language(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.write("n=3", "echo $n")
    (tmp_path / "inputs.json").write_text('{"n": 5}')
    environment = {**os.environ, "JUPYTER_PATH": str(require_kernel("bash"))}
    words = ("--process", "in.ipynb", "--repository", ".", "--output", "o", "--inputs", "inputs.json")

    packaged = here.run(*words, "--kernel", "bash", "--language", "bash", env=environment)
    standalone = here.run("in.ipynb", "out.ipynb", "-k", "bash", "-p", "n", "7", "--prepare-only", env=environment)

    assert (packaged.returncode, standalone.returncode) == (0, 0), packaged.stderr + standalone.stderr
    assert here.texts("o/in.ipynb") == "5\n"
    assert [cell["source"] for cell in here.executed()["cells"]][1] == ["# Parameters\n", "n=7\n"]
    assert here.executed("o/in.ipynb")["metadata"]["kernelspec"]["name"] == "bash"
