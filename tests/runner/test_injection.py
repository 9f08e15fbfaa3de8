"""Parameters in notebooks of other languages: the right language, place and declaration, without running a kernel."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from forked_programs import RUNNER, run


def _notebook(folder: Path, metadata: dict[str, Any], *cells: tuple[str, dict[str, Any]]) -> None:
    written = [
        {"cell_type": "code", "execution_count": None, "id": f"c{n}", "metadata": more, "outputs": [], "source": source}
        for n, (source, more) in enumerate(cells)
    ]
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": written}
    (folder / "in.ipynb").write_text(json.dumps(document))


def _prepare(folder: Path, *options: str, notebook: str = "in.ipynb") -> subprocess.CompletedProcess[str]:
    return run(RUNNER, "run", notebook, "out.ipynb", "--prepare-only", *options, cwd=folder)


def _injected(folder: Path) -> list[dict[str, Any]]:
    cells = json.loads((folder / "out.ipynb").read_text())["cells"]
    return [cell for cell in cells if "injected-parameters" in cell["metadata"].get("tags", ())]


_PARAMETERS = {"tags": ["parameters"]}
_R_KERNELS = {
    "kernelspec": {"name": "sos", "language": "sos", "display_name": "SoS"},
    "sos": {"kernels": [["R", "ir", "R", "#DCDCDA"]]},
}


@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"name": "any", "language": "octave"}},
        {"kernelspec": {"name": "any", "language": "Octave"}},
        {"kernelspec": {"name": "octave"}},
        {"language_info": {"name": "octave"}},
    ],
)
def test_the_language_is_found_wherever_a_notebook_names_it(tmp_path: Path, metadata: dict[str, Any]) -> None:
    _notebook(tmp_path, metadata, ("x = 'a';", _PARAMETERS))

    done = _prepare(tmp_path, "-p", "x", "it's")

    assert done.returncode == 0, done.stderr
    assert [cell["source"] for cell in _injected(tmp_path)] == [["# Parameters\n", "x = 'it''s';\n"]]


def test_a_notebook_that_was_run_before_gets_no_second_cell(tmp_path: Path) -> None:
    _notebook(tmp_path, {"kernelspec": {"name": "lua", "language": "lua"}}, ("x = 1", _PARAMETERS))
    _prepare(tmp_path, "-p", "x", "2")
    (tmp_path / "out.ipynb").rename(tmp_path / "again.ipynb")

    _prepare(tmp_path, "-p", "x", "3", notebook="again.ipynb")

    assert [cell["source"] for cell in _injected(tmp_path)] == [["-- Parameters\n", "x = 3\n"]]


@pytest.mark.parametrize(
    ("more", "notebook", "kernel", "line"),
    [
        ({"kernel": "R"}, _R_KERNELS, "R", "flag = TRUE\n"),
        ({"kernel": "SoS"}, _R_KERNELS, "SoS", "flag = True\n"),
        ({}, _R_KERNELS, "SoS", "flag = True\n"),
        ({"kernel": "Octave"}, _R_KERNELS, "Octave", "flag = true;\n"),
        ({"kernel": "mine"}, {**_R_KERNELS, "sos": {"kernels": [["mine", "ir", "", ""]]}}, "mine", "flag = TRUE\n"),
        ({}, {**_R_KERNELS, "sos": {"default_kernel": "R"}}, "R", "flag = TRUE\n"),
    ],
)
def test_the_injected_cell_of_a_sos_notebook_has_the_kernel_of_the_parameters_cell(
    tmp_path: Path, more: dict[str, Any], notebook: dict[str, Any], kernel: str, line: str
) -> None:
    _notebook(tmp_path, notebook, ("flag = 1", {**_PARAMETERS, **more}))

    done = _prepare(tmp_path, "-p", "flag", "True")

    assert done.returncode == 0, done.stderr
    [cell] = _injected(tmp_path)
    assert (cell["metadata"]["kernel"], cell["source"][-1]) == (kernel, line)


def test_typescript_is_declared_as_in_the_parameters_cell(tmp_path: Path) -> None:
    metadata = {"kernelspec": {"name": "tslab", "language": "typescript"}}
    _notebook(tmp_path, metadata, ("const n: number = 3\nlet s = 'a'", _PARAMETERS))

    _prepare(tmp_path, "-p", "n", "4", "-p", "s", "b")

    assert [cell["source"] for cell in _injected(tmp_path)] == [
        ["// Parameters\n", "const n: number = 4;\n", 'let s = "b";\n']
    ]


@pytest.mark.parametrize(
    ("language", "options", "reason"),
    [
        ("gnuplot", ("-y", "{x: {a: 1}}"), "cannot be written in gnuplot: x: the language has no dictionar"),
        ("zsh", ("-y", "{x: [[1]]}"), "in.ipynb: a value cannot be written in zsh: x: there are no arrays of arrays"),
        (
            "lua",
            ("-p", "a b", "1", "--allow-unknown"),
            "a value cannot be written in lua: 'a b' is not a valid variable name",
        ),
        ("logo", ("-p", "x", "1"), "in.ipynb: parameters cannot be written in the language 'logo'"),
    ],
)
def test_what_a_language_cannot_write_is_refused(
    tmp_path: Path, language: str, options: tuple[str, ...], reason: str
) -> None:
    _notebook(tmp_path, {"kernelspec": {"name": language, "language": language}}, ("x=1", _PARAMETERS))

    done = _prepare(tmp_path, *options)

    assert done.returncode == 2
    assert reason in done.stderr


@pytest.mark.parametrize(
    ("metadata", "more", "lines"),
    [
        (_R_KERNELS, {"kernel": "R"}, "# Parameters\nx = 4\nflag = TRUE\n"),
        (
            {"kernelspec": {"name": "tslab", "language": "typescript"}},
            {},
            "// Parameters\nconst x = 4;\nvar flag = true;\n",
        ),
        ({"kernelspec": {"name": "octave", "language": "octave"}}, {}, "# Parameters\nx = 4;\nflag = true;\n"),
    ],
)
def test_papermills_injected_cell_suits_the_parameters_cell(
    metadata: dict[str, Any], more: dict[str, Any], lines: str
) -> None:
    import nbformat
    from papermill.parameterize import parameterize_notebook

    from generator.runner.document.injection import reinject
    from generator.runner.standalone.papermill_placing import NotebookCells

    cell = nbformat.v4.new_code_cell("const x = 3" if "sos" not in metadata else "x = 3")
    cell.metadata.update(**_PARAMETERS, **more)
    metadata = {**metadata, "kernelspec": {"display_name": "", **metadata["kernelspec"]}, "papermill": {}}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata=nbformat.from_dict(metadata))

    notebook = parameterize_notebook(notebook, {"x": 4, "flag": True}, engine_name="packmill")
    reinject(NotebookCells(notebook), notebook.metadata.kernelspec.name, notebook.metadata.kernelspec.language)

    assert notebook.cells[1].source == lines
    assert notebook.cells[1].metadata.get("kernel") == more.get("kernel")


@pytest.mark.parametrize(
    ("cell", "given", "line"),
    [
        ("x = 2.5", ("-p", "x", "3"), "x = 3.0\n"),
        ("x = 2 -- type: float", ("-p", "x", "3"), "x = 3.0\n"),
        ("x = 2", ("-p", "x", "3"), "x = 3\n"),
        ("x = {1.5, 2}", ("-y", "x: [3, 4]"), "x = {3.0, 4.0}\n"),
        ("x = true", ("-p", "x", "False"), "x = false\n"),
    ],
)
def test_a_float_stays_a_float_where_languages_tell(
    tmp_path: Path, cell: str, given: tuple[str, ...], line: str
) -> None:
    _notebook(tmp_path, {"kernelspec": {"name": "lua", "language": "lua"}}, (cell, _PARAMETERS))

    done = _prepare(tmp_path, *given)

    assert done.returncode == 0, done.stderr
    assert _injected(tmp_path)[0]["source"][-1] == line


@pytest.mark.parametrize(("language", "warnings"), [("lua", 0), ("java", 1)])
def test_one_warning_where_names_cannot_be_checked(tmp_path: Path, language: str, warnings: int) -> None:
    _notebook(tmp_path, {"kernelspec": {"name": language, "language": language}}, ("x = 1", _PARAMETERS))

    done = _prepare(tmp_path, "-p", "x", "2")

    assert done.returncode == 0
    text = "warning: parameters of the language 'java' cannot be read: names and types are not checked"
    assert done.stderr.count(text) == done.stderr.count("warning") == warnings


def test_an_unknown_name_is_refused_where_the_cell_is_read(tmp_path: Path) -> None:
    _notebook(tmp_path, {"kernelspec": {"name": "octave", "language": "octave"}}, ("count = 1;", _PARAMETERS))

    done = _prepare(tmp_path, "-p", "countt", "2")

    assert done.returncode == 2
    assert "countt: the notebook has no such parameter; did you mean 'count'?" in done.stderr
