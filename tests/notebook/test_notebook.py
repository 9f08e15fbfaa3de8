"""Notebook files as they are in repositories: odd encodings, old formats, missing metadata."""

from __future__ import annotations

import codecs
import json

import pytest
from support import notebook

from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import Notebook, read_notebook

_PLAIN = json.dumps(notebook("größe = 'ü'", language="python"), ensure_ascii=False)


def read(data: bytes) -> Notebook:
    return read_notebook(data, "process.ipynb")


@pytest.mark.parametrize(
    "data",
    [
        _PLAIN.encode(),
        codecs.BOM_UTF8 + _PLAIN.encode(),
        _PLAIN.encode("utf-16"),
        _PLAIN.encode("utf-16-le"),
        _PLAIN.encode("utf-16-be"),
        codecs.BOM_UTF16_BE + _PLAIN.encode("utf-16-be"),
        _PLAIN.encode("utf-32"),
    ],
    ids=["utf-8", "utf-8 with a mark", "utf-16", "utf-16-le", "utf-16-be", "utf-16-be with a mark", "utf-32"],
)
def test_every_unicode_encoding_is_read(data: bytes) -> None:
    assert read_interface(read(data)).input("größe").default == "ü"


@pytest.mark.parametrize("version", [2, 3])
def test_old_formats_are_read_with_a_warning(version: int) -> None:
    cell = {
        "cell_type": "code",
        "input": ["n = 3\n", "m = 'x'"],
        "language": "python",
        "metadata": {"tags": ["parameters"]},
    }
    document = {"nbformat": version, "metadata": {"name": "x"}, "worksheets": [{"cells": [cell]}]}

    interface = read_interface(read(json.dumps(document).encode()))

    assert [one.name for one in interface.inputs] == ["n", "m"]
    assert f"nbformat {version} is outdated" in interface.warnings[0].message


def test_a_source_may_be_a_text_or_a_list_of_lines() -> None:
    document = notebook("n = 1\nm = 2")
    document["cells"][0]["source"] = ["n = 1\n", "m = 2"]

    assert [one.name for one in read_interface(read(json.dumps(document).encode())).inputs] == ["n", "m"]


def test_a_notebook_without_kernel_is_read_as_python_and_says_so() -> None:
    interface = read_interface(read(json.dumps(notebook("n = 1", kernel=None)).encode()))

    assert [one.name for one in interface.inputs] == ["n"]
    assert "names no kernel and no language" in interface.warnings[0].message


@pytest.mark.parametrize(
    ("kernel", "language"),
    [
        ("python3", "python"),
        ("conda-env-foo-py", "python"),
        ("ir", "r"),
        ("julia-1.9", "julia"),
        ("bash", "bash"),
        ("x", ""),
    ],
)
def test_a_kernel_s_name_tells_the_language_where_nothing_else_does(kernel: str, language: str) -> None:
    document = notebook("n = 1")
    document["metadata"] = {"kernelspec": {"name": kernel}}

    assert read(json.dumps(document).encode()).language == language


def test_another_language_gives_no_inputs_and_a_warning() -> None:
    interface = read_interface(read(json.dumps(notebook("val n = 1", language="scala", kernel="scala")).encode()))

    assert interface.inputs == ()
    assert "parameters of the language 'scala' cannot be read" in interface.warnings[0].message


def test_without_a_tag_the_cell_that_looks_like_parameters_is_named() -> None:
    document = notebook("import os", "n = 3\npath = 'x'", "print(n)", tags=())

    interface = read_interface(read(json.dumps(document).encode()))

    assert interface.inputs == ()
    assert "Cell 2 looks like parameters (n, path)" in interface.warnings[0].message
    assert "add the cell tag 'parameters'" in interface.warnings[0].message


def test_of_several_tagged_cells_the_first_counts_and_the_others_names_are_told() -> None:
    document = notebook("n = 3", "m = 4\nk = 5")
    document["cells"][1]["metadata"] = {"tags": ["parameters"]}

    interface = read_interface(read(json.dumps(document).encode()))

    assert [one.name for one in interface.inputs] == ["n"]
    assert "cell 2 is tagged 'parameters' too" in interface.warnings[0].message
    assert "a run cannot set m, k" in interface.warnings[0].message


def test_a_later_tagged_cell_without_parameters_needs_no_tag() -> None:
    document = notebook("n = 3", "# nothing is set here")
    document["cells"][1]["metadata"] = {"tags": ["parameters"]}

    warnings = read_interface(read(json.dumps(document).encode())).warnings

    assert [one.message for one in warnings] == [
        "cell 2 is tagged 'parameters' too, but only the first one counts: remove the tag"
    ]


def test_the_first_heading_is_the_title() -> None:
    document = notebook("n = 1")
    markdown = {"cell_type": "markdown", "metadata": {}, "source": "text\n\n## Heights of *trees* #\n"}
    document["cells"].insert(0, markdown)

    assert read(json.dumps(document).encode()).title == "Heights of trees"
