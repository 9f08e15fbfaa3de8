"""A staged file reaches the process in the shape of the default: a path, a File object, or a list of either."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import Folder, notebook

from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.runner.packaged.values import notebook_values
from generator.shared.failures import BadInputsError

FILE, FOLDER = {"class": "File", "path": "/x"}, {"class": "Directory", "path": "/x"}
_CATALOG = "import os, json\nprint(json.load(open(os.path.join(x, 'catalog.json')))['id'])"


def value(cell: str, given: Any, **options: Any) -> Any:
    data = json.dumps(notebook(cell, **options)).encode()
    read = read_interface(read_notebook(data, "process.ipynb"))
    return notebook_values({"x": given}, read, language=options.get("language", "python"))["x"]


@pytest.mark.parametrize(
    ("cell", "given", "expected"),
    [
        ("x = 'a'  # type: stage-in", FILE, "/x"),
        ("x = 'in/'  # type: stage-in", FOLDER, "/x/"),
        ("x = 'in/'  # type: stage-in", {"class": "Directory", "path": "/x/"}, "/x/"),
        ("x = 'in'  # type: stage-in[Directory]", FOLDER, "/x"),
        ("x = 'in/'  # type: Directory", FOLDER, "/x/"),
        ("x = 'in/'  # type: stage-in[File]", FILE, "/x"),
        ("x = ''  # type: stage-in?", FILE, "/x"),
        ("x = 'a'  # type: stage-in", {"class": "File", "location": "file:///a%20b"}, "/a b"),
        ("x = 'a'  # type: stage-in", "b.tif", "b.tif"),
        ("x = ['a']  # type: stage-in", [FILE, "y"], ["/x", "y"]),
        ("x = 'a'  # type: stage-in[]", [FILE], ["/x"]),
        ("x = ['a/', 'b/']  # type: stage-in", [FOLDER], ["/x/"]),
        ("x = ['a']  # type: stage-in[Directory[]]", [FOLDER], ["/x"]),
        ("x = []  # type: stage-in[Directory[]]", [FOLDER], [FOLDER]),
        ("x = {'path': 'a'}  # type: stage-in", FILE, FILE),
        ("x = {'path': 'a'}  # type: stage-in", "b", {"class": "File", "path": "b"}),
        ("x = {'path': 'a'}  # type: stage-in[Directory]", FOLDER, FOLDER),
        ("x = [{'path': 'a'}]  # type: stage-in", [FILE], [FILE]),
        ("x = [{'path': 'a'}]  # type: stage-in", [{"path": "/x", "size": 3}], [{"path": "/x", "size": 3}]),
        ("x = []  # type: stage-in", [FILE], [FILE]),
        ("x = None  # type: stage-in", [FILE], [FILE]),
        ("x = None  # type: stage-in[Directory]", FOLDER, FOLDER),
        ("x = f()  # type: stage-in", [FILE], [FILE]),
    ],
)
def test_a_value_has_the_shape_of_the_default(cell: str, given: Any, expected: Any) -> None:
    assert value(cell, given) == expected


@pytest.mark.parametrize(
    ("language", "cell", "given", "expected"),
    [
        ("R", "x <- 'in/'  # type: stage-in", FOLDER, "/x/"),
        ("R", "x <- list(path = 'a')  # type: stage-in", FILE, FILE),
        ("julia", 'x = "a"  # type: stage-in', FILE, "/x"),
        ("bash", "x=in/  # type: stage-in", FOLDER, "/x/"),
        ("bash", "x=  # type: stage-in", FILE, "/x"),
    ],
)
def test_other_languages_have_the_same_rule(language: str, cell: str, given: Any, expected: Any) -> None:
    assert value(cell, given, language=language) == expected


@pytest.mark.parametrize(
    ("cell", "given", "problem"),
    [
        ("x = 'in/'  # type: stage-in", FILE, "x is a File, but a Directory is needed"),
        ("x = 'in/'  # type: stage-in", [FILE], "x is a list with a File, but one Directory is needed"),
        ("x = 'a'  # type: stage-in", FOLDER, "x is a Directory, but a File is needed"),
        ("x = 'a'  # type: stage-in", [FILE], "x is a list with a File, but one File is needed"),
        ("x = ['a']  # type: stage-in", FILE, "x is a File, but a list of File objects is needed"),
        ("x = ['a/']  # type: stage-in", [FILE], "x is a File, but a list of Directory objects is needed"),
        ("x = ['a']  # type: stage-in", [FOLDER], "x is a Directory, but a list of File objects is needed"),
        ("x = [{'path': 'a'}]  # type: stage-in", FILE, "x is a File, but a list of File objects is needed"),
        ("x = []  # type: stage-in", [FILE, 3], "x is 3, but a list of File objects is needed"),
        ("x = {'path': 'a'}  # type: stage-in", FOLDER, "x is a Directory, but a File is needed"),
        ("x = 'a'  # type: file", FOLDER, "x is a Directory, but a File is needed"),
        ("x = 'a'  # type: stage-in", {"class": "File", "contents": "y"}, "x is a File without a path"),
        ("x = 'a'  # type: stage-in", True, "x is True, but a File is needed"),
        ("x = 'a'  # type: stage-in", "/tmp", "x is the folder '/tmp', but a File is needed"),
        ("x = 'a/'  # type: stage-in", __file__, f"x is the file {__file__!r}, but a Directory is needed"),
    ],
)
def test_a_value_of_another_shape_is_refused(cell: str, given: Any, problem: str) -> None:
    with pytest.raises(BadInputsError) as refusal:
        value(cell, given)

    assert problem in str(refusal.value)


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    """A repository whose notebook reads a catalog in a folder."""
    for name in ("in", "given"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "catalog.json").write_text(json.dumps({"id": name}))
    return Folder(tmp_path)


def run_process(here: Folder, given: Any) -> tuple[int, str, str]:
    (here.folder / "inputs.json").write_text(json.dumps({} if given is None else {"x": given}))
    done = here.run(
        *("--process", "in.ipynb", "--repository", ".", "--inputs", "inputs.json", "--output", str(here.folder / "o"))
    )
    return done.returncode, here.texts("o/in.ipynb") if (here.folder / "o/in.ipynb").exists() else "", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["x = 'in/'  # type: stage-in", "x = 'in'  # type: stage-in", "x = 'in'  # type: stage-in[Directory]"])  # fmt: skip # noqa: E501
class TestAFolderOfUnity:
    """The folder of a STAC catalog, which the notebook joins with the catalog's name."""

    def test_is_given_as_its_path(self, here: Folder, cell: str) -> None:
        here.write(cell, _CATALOG)

        assert run_process(here, {"class": "Directory", "path": str(here.folder / "given")})[:2] == (0, "given\n")

    def test_is_not_a_list_of_its_files(self, here: Folder, cell: str) -> None:
        here.write(cell, _CATALOG)

        code, _, err = run_process(here, [{"class": "File", "path": str(here.folder / "given/catalog.json")}])

        assert code == 2
        assert 'x is a list with a File, but one Directory is needed: {"class": "Directory", "path": "…"}' in err

    def test_is_the_repository_s_own_by_default(self, here: Folder, cell: str) -> None:
        here.write(cell, _CATALOG)

        assert run_process(here, None)[:2] == (0, "in\n")


@pytest.mark.slow
def test_a_script_gets_the_text_of_a_path(here: Folder) -> None:
    (here.folder / "run.sh").write_text('cp "$1" seen.json\n')
    given = {
        "folder": {"class": "Directory", "path": "/x"},
        "tiles": [FILE],
        "scene": FILE,
        "n": 3,
    }
    (here.folder / "inputs.json").write_text(json.dumps(given))
    paths = ("folder=in/", "tiles=", "mask=in/mask.csv", "none=")

    done = here.run(
        *("--process", "run.sh", "--repository", ".", "--inputs", "inputs.json", "--output", "o"),
        *(word for one in paths for word in ("--as-path", one)),
    )

    assert done.returncode == 0, done.stderr
    seen = json.loads((here.folder / "o/seen.json").read_text())
    assert seen == {"folder": "/x/", "tiles": ["/x"], "scene": FILE, "n": 3, "mask": "in/mask.csv", "none": None}


@pytest.mark.slow
@pytest.mark.parametrize("key", ["path", "location"])
def test_relative_paths_start_at_the_folder_of_the_inputs_file(here: Folder, key: str) -> None:
    here.write("x = ''  # type: file", "print(open(x).read())")
    (here.folder / "run.sh").write_text('cp "$1" seen.json\n')
    (here.folder / "jobs").mkdir()
    (here.folder / "jobs/a.txt").write_text("found")
    (here.folder / "jobs/inputs.json").write_text(json.dumps({"x": {"class": "File", key: "../jobs/a.txt"}}))
    words = ("--repository", ".", "--inputs", "jobs/inputs.json")

    notebook = here.run("--process", "in.ipynb", *words, "--output", "o")
    script = here.run("--process", "run.sh", *words, "--output", "s")

    assert (notebook.returncode, here.texts("o/in.ipynb")) == (0, "found\n"), notebook.stderr
    assert script.returncode == 0, script.stderr
    seen = json.loads((here.folder / "s/seen.json").read_text())["x"][key]
    assert seen.removeprefix("file://") == str(here.folder / "jobs/a.txt")


@pytest.mark.slow
def test_a_slash_at_the_end_stays_for_notebooks_that_append_names(here: Folder) -> None:
    here.write("x = 'in/'  # type: stage-in", "print(open(x + 'catalog.json').read())")

    assert run_process(here, {"class": "Directory", "path": str(here.folder / "given")})[:2] == (0, '{"id": "given"}\n')


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "words", "expected"),
    [
        ("x = 'a'  # type: stage-in", ("-p", "x", "b.tif"), "'b.tif'"),
        ("x = 'a'  # type: stage-in", ("-p", "x", "012"), "'012'"),
        ("x = 'a'  # type: stage-in", ("-r", "x", "012"), "'012'"),
        ("x = 'a'  # type: stage-in", ("-p", "x", '{"class": "File", "path": "b.tif"}'), "'b.tif'"),
        ("x = 'a'  # type: stage-in", ("-y", "x: {class: File, path: b.tif}"), "'b.tif'"),
        ("x = 'a'  # type: stage-in", ("-p", "x", "https://example.org/b.tif"), "'https://example.org/b.tif'"),
        ("x = 'in/'  # type: stage-in", ("-p", "x", "given"), "'given/'"),
        ("x = {'path': 'a'}  # type: stage-in", ("-p", "x", "b"), "{'class': 'File', 'path': 'b'}"),
        ("x = [{'path': 'a'}]  # type: stage-in", ("-p", "x", "b"), "[{'class': 'File', 'path': 'b'}]"),
        (
            "x = [{'path': 'a'}]  # type: stage-in",
            ("-p", "x", "[{class: File, path: b}]"),
            "[{'class': 'File', 'path': 'b'}]",
        ),
        ("x = ['a']  # type: stage-in", ("-p", "x", "[b, c]"), "['b', 'c']"),
        ("x = ''  # type: file", ("-p", "x", '{"class": "File", "path": "b.tif"}'), "'b.tif'"),
        ("x = None  # type: stage-in[Directory]?", ("-p", "x", "None"), "None"),
    ],
)
def test_a_file_on_the_command_line_may_be_a_path_or_a_record(
    here: Folder, cell: str, words: tuple[str, ...], expected: str
) -> None:
    here.write(cell, "print(repr(x))")

    done = here.run("in.ipynb", "out.ipynb", *words)

    assert done.returncode == 0, done.stderr
    assert here.texts() == f"{expected}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "words", "problem"),
    [
        ("x = 'in/'  # type: stage-in", ("-p", "x", '{"class": "File", "path": "b"}'), "x is a File, but a Directory"),
        ("x = 'in/'  # type: stage-in", ("-p", "x", "in/catalog.json"), "x is the file 'in/catalog.json', but a Dir"),
        ("x = 'a'  # type: stage-in", ("-p", "x", "given"), "x is the folder 'given', but a File is needed"),
        ("x = 'in'  # type: stage-in", ("-y", "x: [in]"), "x is a list with 'in', but one Directory is needed"),
        ("x = 'a'  # type: stage-in", ("-p", "x", '{"class": "File", '), "x is not a path, JSON or YAML"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_before_a_kernel_starts(
    here: Folder, cell: str, words: tuple[str, ...], problem: str
) -> None:
    here.write(cell, "open('ran', 'w')")

    done = here.run("in.ipynb", "out.ipynb", *words)

    assert done.returncode == 2, done.stderr
    assert problem in done.stderr
    assert not (here.folder / "ran").exists()
