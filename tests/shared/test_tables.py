"""Tables in files and scraps, as a run's page shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from generator.runner.server.content_policy import hostile_headers
from generator.runner.server.pages.results import read_results
from generator.runner.server.runs.folder import RunFolder
from generator.shared.tables import table_of_file, table_of_value


@pytest.mark.parametrize(
    ("value", "columns", "rows"),
    [
        ([{"a": 1, "b": "x"}, {"a": 2.5, "c": None}], ("a", "b", "c"), (("1", "x", ""), ("2.5", "", ""))),
        ({"columns": ["a", 1], "data": [[1, [2]], ["x"]]}, ("a", "1"), (("1", "[2]"), ("x", ""))),
        ({"schema": {}, "data": [{"a": 1}]}, ("a",), (("1",),)),
        ({"a": [1, 2], "b": [True, {"c": 1}]}, ("a", "b"), (("1", "true"), ("2", '{"c": 1}'))),
    ],
)
def test_the_usual_forms_of_tables_are_read(value: Any, columns: tuple[str, ...], rows: tuple[Any, ...]) -> None:
    table = table_of_value(value)

    assert table is not None
    assert (table.columns, table.rows, table.more) == (columns, rows, False)


@pytest.mark.parametrize(
    "value", [[], {}, [1, 2], [{}], [{"a": 1}, 2], {"a": [1], "b": [1, 2]}, {"a": []}, "text", None]
)
def test_other_values_are_no_tables(value: Any) -> None:
    assert table_of_value(value) is None


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("a.csv", b"a,b\n1,2\n", ("a", "b")),
        ("a.csv", b"\xef\xbb\xbfa;b\r\n1;2\r\n", ("a", "b")),
        ("a.TSV", b"a\tb, c\n1\t2\n", ("a", "b, c")),
        ("a.csv", b'"a\nb",c\n1,2\n', ("a\nb", "c")),
        ("a.csv", b"\xff,b\n1,2\n", ("\ufffd", "b")),
        ("a.json", b'[{"a": 1}]', ("a",)),
    ],
)
def test_files_are_read_as_tables(tmp_path: Path, name: str, content: bytes, columns: tuple[str, ...]) -> None:
    (tmp_path / name).write_bytes(content)
    table = table_of_file(tmp_path / name)

    assert table is not None
    assert table.columns == columns
    assert len(table.rows) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.csv", b"a\0b"),
        ("a.csv", b'a\n"' + b"x" * 200_000 + b'"\n'),
        ("a.json", b"[" * 100_000),
        ("a.json", b'{"a": '),
        ("a.json", b" " * 5_000_000),
        ("a.txt", b"a,b\n1,2\n"),
        ("missing.csv", None),
    ],
)
def test_other_files_are_no_tables(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    assert table_of_file(tmp_path / name) is None


def test_only_the_beginning_of_a_large_table_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(",".join(f"c{number}" for number in range(30)) + "\n" + ("x" * 500 + ",1" * 29 + "\n") * 5000)
    table = table_of_file(file)

    assert table is not None
    assert (len(table.columns), len(table.rows), table.more) == (20, 50, True)
    assert table.rows[0][0] == "x" * 200 + "…"


def _folder(tmp_path: Path, scraps: str, outputs: list[str]) -> RunFolder:
    folder = RunFolder(tmp_path)
    folder.output.mkdir()
    (folder.output / "scraps.json").write_text(scraps)
    for name in outputs:
        (folder.output / name).write_text("a,b\n1,2\n")
    listed = [{"path": name, "size": 1} for name in outputs]
    (folder.output / "result.json").write_text(json.dumps({"outputs": listed}))
    return folder


def test_a_page_shows_no_more_than_it_can(tmp_path: Path) -> None:
    scraps = json.dumps({f"s{number}": "x" * 10_000 for number in range(300)})
    results = read_results(_folder(tmp_path, scraps, [f"{number}.csv" for number in range(300)]))

    assert (len(results.scraps), results.more_scraps, len(results.scraps[0].text)) == (100, True, 5001)
    assert (len(results.files), results.more_files, len(results.tables)) == (200, 100, 8)


def test_scraps_that_are_too_large_are_not_read(tmp_path: Path) -> None:
    results = read_results(_folder(tmp_path, json.dumps({"a": "x" * 21_000_000}), []))

    assert (results.scraps, results.more_scraps) == ((), True)


@pytest.mark.parametrize(
    "scraps", ["[]", "{", '{"a": {"class": "File", "path": "../../x"}}', '{"a": {"class": "File"}}']
)
def test_scraps_of_any_form_make_a_page(tmp_path: Path, scraps: str) -> None:
    assert read_results(_folder(tmp_path, scraps, [])).files == ()


def test_only_a_pdf_is_not_sandboxed() -> None:
    assert hostile_headers("application/pdf") == {}
    assert hostile_headers("text/html")["Content-Security-Policy"].startswith("sandbox;")
