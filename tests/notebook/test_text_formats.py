"""Notebooks that are text files: jupytext's, Quarto's and R Markdown's, with the interface that their tools give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import commit_all
from text_cases import text_cases, text_notebook

from generator.documents.cwl.process import input_entry
from generator.notebook.interface import Interface
from generator.notebook.interface_json import to_dict
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.notebook.parameters import Missing
from generator.notebook.schemas import inputs_schema
from generator.notebook.text_formats import as_notebook
from generator.shared.errors import NotebookError, PackmillError


def read(text: str, name: str) -> Interface:
    return read_interface(read_notebook(as_notebook(text.encode(), name), name))


def cells(text: str, name: str) -> list[tuple[str, str]]:
    document = json.loads(as_notebook(text.encode(), name))
    return [(cell["cell_type"], cell["source"]) for cell in document["cells"]]


@pytest.mark.parametrize("case", text_cases, ids=lambda path: path.name)
def test_a_text_notebook_means(case: Path, golden: Callable[[Path, str], None]) -> None:
    file = text_notebook(case)
    notebook = read_notebook(as_notebook(file.read_bytes(), file.name), file.name)
    rows = {
        "notebook": [notebook.title, notebook.language, notebook.kernel],
        **to_dict(read_interface(notebook)),
        "cells": [[cell.kind, *cell.tags, cell.source] for cell in notebook.cells],
    }
    lines = (
        line
        for kind, entries in rows.items()
        for line in (f"{kind}:", *(f"  {json.dumps(one, ensure_ascii=False)}" for one in entries))
    )
    golden(case / "interface.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("case", text_cases, ids=lambda path: path.name)
def test_reading_twice_gives_the_same_bytes(case: Path) -> None:
    file = text_notebook(case)

    assert as_notebook(file.read_bytes(), file.name) == as_notebook(file.read_bytes(), file.name)


def test_rmarkdowns_params_are_those_of_knitr() -> None:
    """``peer.json`` was written by ``knitr::knit_params(readLines("in.Rmd"), evaluate = TRUE)`` of knitr 1.42."""
    case = next(case for case in text_cases if case.name == "rmarkdown")
    peer: dict[str, Any] = json.loads((case / "peer.json").read_text())
    inputs = {one["name"]: one for one in to_dict(read((case / "in.Rmd").read_text(), "in.Rmd"))["inputs"]}

    del peer["my name"], peer["table"]  # no parameter's name, and an output
    assert inputs.keys() == peer.keys()
    known = {name: value for name, value in peer.items() if name not in ("today", "nothing", "token")}
    assert {name: inputs[name]["default"] for name in known} == known


@pytest.mark.parametrize(
    ("value", "default"),
    [
        ("{1: a, false: [{null: b}]}", {"1": "a", "False": [{"None": "b"}]}),
        ("{!r k: 1}", {"k": 1}),
        ("[!r Sys.Date(), 1]", Missing.COMPUTED),
        ("{value: {a: [!expr x]}}", Missing.COMPUTED),
    ],
)
def test_names_and_code_within_params_are_those_of_r(value: str, default: object) -> None:
    interface = read(f"---\nparams:\n  x: {value}\n---\n```{{r}}\n1\n```\n", "a.Rmd")

    assert [one.default for one in interface.inputs] == [default]
    assert json.dumps([to_dict(interface), inputs_schema(interface.inputs), *map(input_entry, interface.inputs)])


_MARIMO = "import marimo\n\napp = marimo.App()\n\n\n@app.cell\ndef _():\n    n = 3\n    return (n,)\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.py", _MARIMO, "a.py: a marimo notebook, which has no Jupyter kernel and no parameters cell"),
        ("a.md", "---\ntitle: T\nmarimo-version: 0.9.1\n---\n", "a.md: a marimo notebook"),
        ("a.py", '"""A script."""\nn = 3\n# + a remark\n', "a.py: a Python script, not a notebook\n"),
        ("a.md", "# A page\n\n```python\nn = 3\n```\n", "a.md: a Markdown page, not a notebook\n"),
        ("a.qmd", "---\ntitle: T\n---\n\n```python\n1\n```\n", "a.qmd: has no code chunk that a run could execute"),
        ("a.qmd", "```{mermaid}\nx\n```\n", "a.qmd: has no code chunk of python, the language of its kernel"),
        ("a.Rmd", "```{r}\n1\n", "a.Rmd:1: the chunk that begins here is not closed"),
        ("a.Rmd", "x\n\n```{r}\n1\n```\n\n```{python}\n2\n```\n", "a.Rmd:7: a chunk of python in a document of r"),
        ("a.qmd", "---\na: b: c\n---\n```{r}\n```\n", "a.qmd:2: invalid YAML: ': ' within a value"),
        ("a.qmd", "---\n- a\n---\n```{r}\n```\n", "a.qmd:1: the YAML header is a list instead of a mapping"),
        ("a.qmd", "```{r}\n#| tags: {{\n1\n```\n", "a.qmd:2: invalid YAML"),
        ("a.qmd", "", "a.qmd: the file is empty"),
        ("a.py", "# %%\n" + "x = 1\n" * 200_000, "a.py: a text notebook of 1200005 characters"),
        ("a.Rmd", f"---\nparams: [{'1,' * 40_000}1]\n---\n", "a.Rmd: has no code chunk"),
        ("a.Rmd", f"---\nparams: [{'1,' * 40_000}1]\n---\n```{{r}}\n1\n```\n", "a.Rmd: the YAML header has 8"),
        ("a.md", "---\nkernelspec: {name: p}\n---\n```{code-cell}\n1\n```\n", "a.md: jupytext cannot read it as myst"),
        ("a.md", "---\njupytext: {text_representation: {format_name: pandoc}}\n---\n", "a.md: the jupytext format 'pa"),
    ],
)  # fmt: skip
def test_what_is_not_a_text_notebook_is_refused(name: str, text: str, message: str) -> None:
    with pytest.raises(NotebookError) as refusal:
        as_notebook(text.encode(), name)

    assert str(refusal.value).startswith(message)


def test_aliases_of_a_header_do_not_fill_the_memory() -> None:
    levels = "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdef", "bcdefg", strict=True)
    )
    text = f"---\na: &a [x, x, x, x, x, x, x, x, x, x]\n{levels}---\n```{{r}}\n1\n```\n"

    with pytest.raises(NotebookError, match="the YAML is too large"):
        as_notebook(text.encode(), "a.qmd")


_MYST = "---\nkernelspec: {name: python3, display_name: Python 3}\n---\n\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param(
            "a.md",
            _MYST + "```{code-cell}\n---\na: &a [1]\nb: [*a, *a]\n---\n```\n",
            r"the alias \*a; write the value itself",
            id="options of a MyST cell",
        ),
        pytest.param(
            "a.md",
            _MYST + "```{code-cell}\n:a: &a [1]\n:b: [*a, *a]\n```\n",
            r"the alias \*a; write the value itself",
            id="options of a MyST cell, as fields",
        ),
        pytest.param(
            "a.py",
            "#---\n#jupyter:\n#  a: &a [1]\n#  b: [*a, *a]\n#---\n# %%\n1\n",
            r"the alias \*a; write the value itself",
            id="a header that only jupytext recognizes",
        ),
        pytest.param(
            "a.md",
            _MYST + f"```{{code-cell}}\n:a: {'[' * 101}{']' * 101}\n```\n",
            "nested more than 100 levels deep",
            id="deep",
        ),
        pytest.param(
            "a.md", _MYST + f"```{{code-cell}}\n:a: 0x{'f' * 4000}\n```\n", "more than 3500 characters", id="a number"
        ),
    ],
)
def test_yaml_that_only_jupytext_reads_has_limits(name: str, text: str, message: str) -> None:
    with pytest.raises(NotebookError, match=message):
        as_notebook(text.encode(), name)


def test_a_line_ends_where_python_ends_it() -> None:
    """jupytext alone would end it at a form feed too, and see a header below, or a cell within a text."""
    header = "\f\n# ---\n# jupyter:\n#   a: 1\n# ---\n"

    assert cells(f"{header}# %%\nrow = 'a\f# %%\u2028b'\n", "a.py") == [
        ("code", header.rstrip("\n")),
        ("code", "row = 'a\f# %%\u2028b'"),
    ]


def test_dates_of_a_header_and_of_options_are_text() -> None:
    script = "# ---\n# jupyter:\n#   updated: 2026-01-31\n# ---\n\n# %%\n1\n"
    page = _MYST + "```{code-cell}\n:updated: 2026-01-31\n1\n```\n"

    assert json.loads(as_notebook(script.encode(), "a.py"))["metadata"]["updated"] == "2026-01-31"
    assert json.loads(as_notebook(page.encode(), "a.md"))["cells"][0]["metadata"]["updated"] == "2026-01-31"


@pytest.mark.parametrize("value", ["{1, 2}", "b'x'", f"0x{'f' * 3900}"])
def test_options_of_a_cell_that_are_not_of_json_are_refused(value: str) -> None:
    with pytest.raises(NotebookError, match="is not of JSON"):
        as_notebook(f"# %% sizes={value}\n1\n".encode(), "a.py")


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("a.md", "---\njupyter:\n  jupytext: {text_representation: {format_name: quarto}}\n---\n", "quarto"),
        ("a.md", "---\njupyter:\n  jupytext: {formats: 'ipynb,md:pandoc'}\n---\n\nText\n", "pandoc"),
        ("a.py", "#---\n#jupyter:\n#  jupytext: {formats: 'py:marimo'}\n#---\n# %%\n1\n", "marimo"),
    ],
)
def test_no_header_makes_jupytext_start_a_program(
    name: str, text: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """jupytext converts its formats ``pandoc``, ``quarto`` and ``marimo`` with programs of these names."""
    monkeypatch.setenv("PATH", "")

    with pytest.raises(NotebookError, match=f"the jupytext format '{named}' is not read"):
        as_notebook(text.encode(), name)


def test_no_line_makes_jupytext_start_marimo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """jupytext recognizes marimo's notebooks by their lines, and converts them with the program ``marimo``."""
    program, note = tmp_path / "marimo", tmp_path / "called"
    program.write_text(f"#!/bin/sh\ntouch {note}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    found = cells("# %%\n" + "# long\n" * 5000 + "import marimo\napp = marimo.App()\n@app.cell\ndef _(): ...\n", "a.py")

    assert len(found) == 1
    assert not note.exists()


def test_a_mistake_has_the_line_of_the_file() -> None:
    with pytest.raises(PackmillError) as refusal:
        read("# %% [markdown]\n# Text\n\n# %% tags=['parameters']\nn = 3\nm = 4  # type: number\n", "a.py")

    assert str(refusal.value).startswith("a.py\n  line 6: m = 4  # type: number\n")


def test_the_advice_for_a_missing_tag_is_that_of_the_format() -> None:
    advice = {
        name: read(text, name).warnings[-1].message
        for name, text in {
            "a.py": "# %%\nn = 3\n",
            "a.md": "---\nkernelspec: {name: python3, display_name: P}\n---\n\n```{code-cell}\nn = 3\n```\n",
            "a.qmd": "```{python}\nn = 3\n```\n",
            "a.Rmd": "```{r}\nn <- 3\n```\n",
        }.items()
    }

    assert advice["a.py"].endswith('begin it with the line # %% tags=["parameters"]')
    assert "or in MyST :tags: [parameters]" in advice["a.md"]
    assert advice["a.qmd"].endswith("begin its chunk with the line #| tags: [parameters]")
    assert advice["a.Rmd"].endswith("list them under params: in the header, as in R Markdown")


def test_options_of_all_chunks_are_in_the_header() -> None:
    text = "---\nexecute: {eval: false, error: true}\n---\n```{python}\n#| eval: true\n1\n```\n\n```{python}\n2\n```\n"

    assert cells(text, "a.qmd")[1:] == [("code", "#| eval: true\n1"), ("markdown", "```python\n2\n```")]


def test_what_a_run_does_not_do_is_named() -> None:
    text = (
        "---\nparams: {n: 3}\njupyter: python3\n---\n```{python}\n#| tags: parameters\nn = 1\n```\n"
        "```{python, child='more.Rmd', eval=is_on}\n2\n```\n"
    )

    messages = [one.message for one in read(text, "a.qmd").warnings]

    assert messages == [
        "params in the header are for knitr: tag a chunk to have parameters, with #| tags: [parameters]",
        "the chunk's option eval is computed (is_on), so the chunk runs",
        "the chunk's option child is not used: a run executes only the code in the chunk",
    ]


@pytest.mark.parametrize("option", ["tags: [*b, parameters, *s, *s]", "eval: *b", "eval: *s"])
def test_aliases_in_the_options_of_a_chunk_are_not_written_out(option: str) -> None:
    """A document may have thousands of chunks, each with aliases of its own."""
    header = f"#| s: &s {'x' * 300}\n#| b: &b [*s, *s, *s, *s]\n#| {option}\n"
    document = json.loads(as_notebook(f"```{{python}}\n{header}1\n```\n".encode(), "a.qmd"))

    assert document["cells"][0]["metadata"].get("tags") in (None, ["parameters", "x" * 300])
    assert len(json.dumps(document["metadata"])) < 250


def test_packages_name_the_executed_notebook(tmp_path: Path, packmill: Callable[..., Any]) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "maps.qmd").write_text("```{python}\n#| tags: [parameters]\nn = 3\n```\n")
    commit_all(tmp_path / "r")

    built = packmill(
        "build", tmp_path / "r", "--process", "maps.qmd", "--no-image", "--output", tmp_path / "p", "--emit", "airflow"
    )

    assert built.code == 0, built.err
    folder = Path(built.out.splitlines()[-1])
    assert folder.name == "maps"
    document = (folder / "process.cwl").read_text()
    assert "label: maps\n" in document
    assert "output/maps.ipynb" in document
    assert "- maps.qmd" in document
    assert [file.name.endswith("_docker.py") for file in (folder / "airflow").iterdir()] == [True]
