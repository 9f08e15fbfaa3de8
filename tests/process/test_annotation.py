"""``packmill init``: the tag and the types that a notebook gets, and every byte that it keeps."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import Finished, notebook, write_notebook

from generator.notebook.languages import python
from generator.notebook.parameters import Reading
from generator.process.annotation import added_types, plan
from generator.process.annotation.files import plan_file, write
from generator.process.annotation.plan import plan_changes
from generator.shared.errors import Mistake, ProcessError

_CELL = 'n = 86  # number of tiles\nname = "é😀"'
_TYPED = 'n = 86  # type: int number of tiles\nname = "é😀"  # type: string'


def types_of(folder: Path, *sources: str, language: str = "python") -> dict[str, str]:
    file = write_notebook(folder / "process.ipynb", *sources, language=language)
    return {one.name: one.type for one in plan_file(file).types}


def untagged(*sources: str, metadata: dict[str, Any] | None = None, as_lines: bool = False) -> dict[str, Any]:
    document = notebook(*sources, tags=())
    document["cells"][0]["metadata"] = metadata or {}
    for cell in document["cells"] if as_lines else ():
        cell["source"] = cell["source"].splitlines(keepends=True)
    return document


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x = 86", "int"),
        ("x = 5_000_000_000", "long"),
        ("x = 0.5", "float"),
        ("x = True", "bool"),
        ('x = "Lisbon"', "string"),
        ('x = "2020-01-31"', "date"),
        ('x = "2020-01-31T10:00"', "datetime"),
        ('x = "today"', "string"),
        ("x = [1, 2.5]", "float[]"),
        ('x = ["2020-01-31"]', "date[]"),
        ('x = "data/t.csv"', "file"),
        ('x = "data"', "directory"),
        ('x = "missing.csv"', "string"),
        ('x = "../../etc"', "string"),
        ("x = 1  # noqa", "int"),
        ("x = [\n  1,\n]", "int[]"),
        ("x = None", ""),
        ("x = []", ""),
        ('x = [1, "a"]', ""),
        ("x = {'a': 1}", ""),
        ("x = f()", ""),
        ("x: float = 1", ""),
        ("x = 1  # type: float", ""),
        ('x = """a\nb"""', ""),
        ("x = 1  # ? unknown", ""),
        ("x = 1  # [m] wide", ""),
    ],
)
def test_a_value_shows_its_type(repository: Path, line: str, expected: str) -> None:
    (repository / "data").mkdir()
    (repository / "data/t.csv").touch()
    (repository.parent / "etc").mkdir()

    assert types_of(repository, line).get("x", "") == expected


def test_a_name_shows_secrets_and_boxes(repository: Path) -> None:
    cell = 'api_key = ""\ntoken_limit = 5\nbbox = [1, 2, 3, 4]\nbbox_sizes = [1, 2]\nDB_PASSWORD = "x"'

    assert types_of(repository, cell) == {
        "api_key": "secret",
        "token_limit": "int",
        "bbox": "bbox",
        "bbox_sizes": "int[]",
        "DB_PASSWORD": "secret",
    }


def test_calls_that_write_show_outputs(repository: Path) -> None:
    cell = 'picture = "a.png"\ntable = "b.csv"\nlog = "c.txt"\nread = "d.txt"'
    uses = 'figure.savefig(picture)\ndata.to_csv(table)\nopen(log, "w")\nopen(read)'

    found = types_of(repository, cell, "%matplotlib inline\n" + uses, "not Python (")

    assert found == {"picture": "stage-out", "table": "stage-out", "log": "stage-out", "read": "string"}


def test_an_output_that_would_replace_the_notebook_gets_no_type(repository: Path) -> None:
    assert types_of(repository, 'x = "process.ipynb"', "data.to_csv(x)") == {}


@pytest.mark.parametrize(
    ("language", "cell", "expected"),
    [
        ("r", "n <- 86", "n <- 86  # type: float"),
        ("julia", "n = 86", "n = 86  # type: int"),
        ("javascript", "let n = 86; // of tiles", "let n = 86; // type: float of tiles"),
        ("lua", "n = 86", "n = 86  -- type: float"),
        ("scheme", "(define n 86)", "(define n 86)  ; type: int"),
        ("bash", "n=86", "n=86  # type: int"),
        ("octave", "n = 86;", "n = 86;  # type: float"),
    ],
)
def test_types_are_comments_of_the_language(repository: Path, language: str, cell: str, expected: str) -> None:
    file = write_notebook(repository / "process.ipynb", cell, language=language)

    assert plan_file(file).after == expected


@pytest.mark.parametrize("as_lines", [False, True])
@pytest.mark.parametrize(
    "dump",
    [
        {"indent": 1, "ensure_ascii": False},
        {"indent": 1, "ensure_ascii": True},
        {"indent": "\t"},
        {"separators": (",", ":")},
        {},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"tags": []},
        {"tags": ["a"]},
        {"tags": ["a", "b"], "x": 1},
        {"collapsed": False, "zebra": {"deep": ["]"]}},
        {"zebra": 1, "a": "}"},
    ],
    ids=str,
)
def test_only_insertions_change_the_file(
    repository: Path, metadata: dict[str, Any], dump: dict[str, Any], as_lines: bool
) -> None:
    document = untagged(_CELL, "print(n)", metadata=metadata, as_lines=as_lines)
    file = repository / "process.ipynb"
    file.write_text(json.dumps(document, **dump), encoding="utf-8")

    changed = plan_file(file).data.decode()

    expected = json.loads(json.dumps(document))
    expected["cells"][0]["metadata"]["tags"] = [*metadata.get("tags", []), "parameters"]
    expected["cells"][0]["source"] = _TYPED.splitlines(keepends=True) if as_lines else _TYPED
    assert json.loads(changed) == expected
    rest = iter(changed)
    assert all(character in rest for character in file.read_text(encoding="utf-8"))
    if metadata != {"tags": []}:  # json writes an empty list in one line, and others in several
        by_json = json.dumps(
            {**expected, "cells": [_sorted_tags(expected["cells"][0]), *expected["cells"][1:]]}, **dump
        )
        assert changed.replace(" ", "") == by_json.replace(" ", "")


def _sorted_tags(cell: dict[str, Any]) -> dict[str, Any]:
    """The cell with its tags in the place that the keys' order has for them."""
    keys = [key for key in cell["metadata"] if key != "tags"]
    if "zebra" in keys and keys == sorted(keys):
        keys = sorted([*keys, "tags"])
        return {**cell, "metadata": {key: cell["metadata"][key] for key in keys}}
    return cell


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_line_ends_and_encodings_stay(repository: Path, encoding: str) -> None:
    file = repository / "process.ipynb"
    text = json.dumps(untagged("n = 86"), indent=2).replace("\n", "\r\n") + "\r\n"
    file.write_bytes(text.encode(encoding))

    changed = plan_file(file).data

    assert changed[:3] == file.read_bytes()[:3]
    assert changed.decode(encoding).count("\n") == changed.decode(encoding).count("\r\n") == text.count("\n") + 4


def test_nothing_is_written_without_yes_and_nothing_twice(repository: Path, packmill: Callable[..., Finished]) -> None:
    file = repository / "process.ipynb"
    file.write_text(json.dumps(untagged(_CELL), indent=1))
    file.chmod(0o640)
    before = file.read_bytes()

    shown = packmill("init", repository)
    assert "+ tag: parameters" in shown.out
    assert "-n = 86  # number of tiles\n" in shown.out
    assert "+n = 86  # type: int number of tiles\n" in shown.out
    assert file.read_bytes() == before

    written = packmill("init", file, "--yes", "--json").json()
    assert (written["cell"], written["tagged"], written["written"]) == (1, True, True)
    assert written["types"] == [
        {"name": "n", "line": 1, "type": "int"},
        {"name": "name", "line": 2, "type": "string"},
    ]
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in repository.iterdir()] == ["process.ipynb"]
    after = file.read_bytes()

    again = packmill("init", file, "--yes")
    assert "nothing to change" in again.out
    assert file.read_bytes() == after


def test_the_cell_with_plain_values_is_chosen_unless_a_number_is_given(repository: Path) -> None:
    file = repository / "process.ipynb"
    file.write_text(json.dumps(untagged("import os", "a = 1", "b = 2")))

    assert plan_file(file).cell == 2
    assert plan_file(file, number=3).cell == 3


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("{", 12, "truncated"),
        (json.dumps(untagged("import os")), 12, "no cell looks like parameters"),
        (json.dumps({"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": "a = 1"}]}]}), 12, "save"),
        (json.dumps(notebook("a = 1  # type: strin")), 13, "is not a type"),
        (json.dumps({**untagged("a = 1"), "cells": [{"cell_type": "code", "source": "a = 1"}]}), 12, "metadata"),
    ],
)
def test_what_cannot_be_prepared_is_refused(
    repository: Path, packmill: Callable[..., Finished], text: str, code: int, message: str
) -> None:
    file = repository / "process.ipynb"
    file.write_text(text)

    refused = packmill("init", file, "--yes")

    assert refused.code == code
    assert message in refused.err
    assert file.read_text() == text


def test_other_files_are_refused_with_advice(repository: Path, packmill: Callable[..., Finished]) -> None:
    (repository / "text.qmd").write_text("---\ntitle: a\n---\n\n```{python}\nn = 1\n```\n")
    (repository / "run.sh").touch()

    assert "#| tags: [parameters]" in packmill("init", repository / "text.qmd").err
    assert packmill("init", repository / "run.sh").code == 11
    assert packmill("init", repository).code == 11


def test_a_link_to_an_endless_file_is_refused(repository: Path, packmill: Callable[..., Finished]) -> None:
    (repository / "process.ipynb").unlink(missing_ok=True)
    (repository / "process.ipynb").symlink_to("/dev/zero")

    refused = packmill("init", repository)

    assert refused.code == 11
    assert "larger than 256 MiB" in refused.err


def test_a_notebook_of_another_tool_stays_as_it_is(repository: Path, packmill: Callable[..., Finished]) -> None:
    file = repository / "process.ipynb"
    file.write_text(json.dumps(untagged("n = 86  #@param {type:'integer'}")))

    finished = packmill("init", file)

    assert finished.code == 0
    assert "Colab" in finished.out
    assert "nothing to change" in finished.out


def test_names_of_a_repository_are_words_of_the_printed_command_and_no_commands_of_a_terminal(
    repository: Path, packmill: Callable[..., Finished]
) -> None:
    folder = repository / "a;b c"
    folder.mkdir()
    file = folder / "$(d)\x1b[2J.ipynb"
    file.write_text(json.dumps(untagged("n = 1")))

    shown, written = packmill("init", file), packmill("init", file, "--yes")

    command = shlex.split(written.out.splitlines()[-1].removeprefix("written; look at the interface: "))
    assert command == ["packmill", "inspect", str(folder), "--process", "$(d) [2J.ipynb"]
    assert all(line.isprintable() for line in (*shown.out.splitlines(), *written.out.splitlines()))


def test_a_notebook_is_not_written_through_a_link_in_its_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, file = tmp_path / "kept", repository / "process.ipynb"
    kept.write_text("of the user")
    file.write_text("before")
    for mark in (os.getpid(), "00" * 6):
        (repository / f".{mark}.new").symlink_to(kept)
    monkeypatch.setattr(os, "urandom", bytes)

    with pytest.raises(ProcessError, match="File exists"):
        write(file, b"after")

    assert (kept.read_text(), file.read_text()) == ("of the user", "before")


def test_a_notebook_with_the_longest_name_is_prepared(repository: Path, packmill: Callable[..., Finished]) -> None:
    file = repository / f"{'n' * 249}.ipynb"
    file.write_text(json.dumps(untagged("n = 1")))

    assert packmill("init", file, "--yes").code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes files of other users")
def test_a_notebook_stays_that_of_its_owner(repository: Path, packmill: Callable[..., Finished]) -> None:
    file = repository / "process.ipynb"
    file.write_text(json.dumps(untagged("n = 1")))
    os.chown(file, 65534, 65534)

    assert packmill("init", file, "--yes").code == 0
    assert (file.stat().st_uid, file.stat().st_gid) == (65534, 65534)


def test_a_disk_without_space_leaves_the_notebook_as_it_was(
    repository: Path, packmill: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = repository / "process.ipynb"
    file.write_text(json.dumps(untagged("n = 1")))
    before = file.read_bytes()

    def full(path: Path, _data: bytes) -> int:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    refused = packmill("init", file, "--yes")

    assert (refused.code, "No space left" in refused.err) == (23, True)
    assert file.read_bytes() == before
    assert [path.name for path in repository.iterdir()] == ["process.ipynb"]


@pytest.mark.parametrize("untypable", [range(0), range(300, 301), range(0, 1000, 2)], ids=["none", "one", "half"])
def test_many_parameters_take_few_readings_of_the_cell(
    untypable: range, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reading takes time in proportion to the cell: with one for each parameter, a thousand took minutes."""
    bad = [f"n{number}" for number in untypable]
    lines = [f'n{number} = """a\nb"""' if number in untypable else f"n{number} = 86" for number in range(1000)]
    file = write_notebook(tmp_path / "process.ipynb", "\n".join(lines))
    readings = []
    monkeypatch.setattr(plan, "reader_of", lambda _: lambda source: readings.append(1) or python.read(source))

    planned = plan_file(file)

    assert len(readings) <= 6
    assert list(planned.untyped) == bad
    assert plan_changes(planned.data, file.name, number=None, find_file=lambda _: "").untyped == planned.untyped


def test_a_cell_is_read_a_limited_number_of_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not get a type by then is listed, as what cannot get one."""
    lines = [f"n{number} = {number}" for number in range(50)]
    file = write_notebook(tmp_path / "process.ipynb", "\n".join(lines))
    readings: list[str] = []

    def read(source: str) -> Reading:
        readings.append(source)
        mistake = Mistake(line=1, text="", message="two types")
        return replace(python.read(source), mistakes=(mistake,) if source.count("# type") > 1 else ())

    monkeypatch.setattr(plan, "reader_of", lambda _: read)
    monkeypatch.setattr(added_types, "_MOST_READINGS", 30)

    planned = plan_file(file)

    assert len(readings) <= 33
    assert len(planned.types) == 1
    assert len(planned.untyped) == 49
