"""Tables of inputs: CSV, JSON lines, GeoJSON, Parquet, products."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from generator.package.map.tables import product, read_table
from generator.shared.errors import UsageError

_FEATURES = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "properties": {"name": "a"}, "geometry": {"type": "Point", "coordinates": [1, 2]}},
        {"type": "Feature", "properties": {"name": "b", "n": None}, "geometry": None},
    ],
}


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("t.csv", "n,name\n1,a\n2,\n", [{"n": "1", "name": "a"}, {"n": "2"}]),
        ("t.csv", '\ufeffn, name \r\n1,"a, b"\r\n\r\n', [{"n": "1", "name": "a, b"}]),
        ("t.csv", "n,name\n1\n", [{"n": "1"}]),
        ("t.tsv", "n\tname\n1\ta,b\n", [{"n": "1", "name": "a,b"}]),
        ("t.jsonl", '{"n": 1, "x": null}\n\n{"n": [1, 2]}\n', [{"n": 1}, {"n": [1, 2]}]),
        ("t.json", '[{"n": true}]', [{"n": True}]),
        (
            "t.geojson",
            json.dumps(_FEATURES),
            [{"name": "a", "geometry": {"type": "Point", "coordinates": [1, 2]}}, {"name": "b"}],
        ),
    ],
)
def test_rows_are_read_by_the_ending(name: str, text: str, rows: list[Any], tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")

    assert read_table(tmp_path / name) == rows


def test_a_long_cell_is_read_and_the_limit_of_other_readers_stays(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    (tmp_path / "t.csv").write_text(f"geometry\n{'x' * (limit + 1)}\n")

    assert read_table(tmp_path / "t.csv") == [{"geometry": "x" * (limit + 1)}]
    assert csv.field_size_limit() == limit


def test_parquet_gives_values_that_json_has(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"n": [1, None], "day": [date(2026, 1, 2), None], "parts": [[1.5], [2.0]]})
    parquet.write_table(table, tmp_path / "t.parquet")

    assert read_table(tmp_path / "t.parquet") == [{"n": 1, "day": "2026-01-02", "parts": [1.5]}, {"parts": [2.0]}]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.xlsx", "", "unknown kind of table"),
        ("t.csv", "n\n", "has no rows"),
        ("t.csv", "n,n\n1,2\n", "two columns are named 'n'"),
        ("t.csv", "n,\n1,2\n", "column 2 has no name"),
        ("t.csv", "n\n1,2\n", "line 2: 2 cells for 1 columns"),
        ("t.csv", 'n\n"1\n', "not CSV"),
        ("t.jsonl", '{"n": 1}\n[1]\n', "line 2: not an object"),
        ("t.jsonl", '{"n": NaN}\n', "line 1: not JSON: NaN"),
        ("t.jsonl", '{"n": 1}\n{"n": 1e999}\n', "line 2: not JSON: 1e999 is too large"),
        ("t.jsonl", r'{"t": "\ud800"}', "line 1: a text has half of a surrogate pair"),
        ("t.csv", "n;t\n1;a\n", "line 1: the columns are separated by ';'"),
        ("t.json", '{"n": 1}', "neither a list of objects nor GeoJSON"),
        ("t.parquet", "text", "not Parquet"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_text(text)

    with pytest.raises(UsageError, match=message):
        read_table(tmp_path / name)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.csv: cannot be read: No such file"):
        read_table(tmp_path / "none.csv")


def test_a_product_combines_lists_and_ranges() -> None:
    rows = product(["year=2019..2021", 'tile=a,"b,c"'])

    assert rows[:3] == [{"year": "2019", "tile": "a"}, {"year": "2019", "tile": "b,c"}, {"year": "2020", "tile": "a"}]
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("n=3..1", ["3", "2", "1"]),
        ("n=08..10", ["08", "09", "10"]),
        ("n=-1..1", ["-1", "0", "1"]),
        ("n=a..b", ["a..b"]),
    ],
)
def test_a_range_has_all_whole_numbers(text: str, values: list[str]) -> None:
    assert [row["n"] for row in product([text])] == values


@pytest.mark.parametrize(
    "words",
    [["n"], ["n="], ["=1"], ["n=1", "n=2"], ["n=1..9999999"], ["n=\n"], ["a=1..2000", "b=1..2000"]],
)
def test_a_product_that_is_none_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        product(words)


def test_a_cell_may_be_a_large_geometry(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("area\n" + "x" * 300_000 + "\n")

    assert len(read_table(tmp_path / "t.csv")[0]["area"]) == 300_000


def test_bytes_of_parquet_are_refused(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"c": pyarrow.array([b"a"])}), tmp_path / "t.parquet")

    with pytest.raises(UsageError, match="row 1: column 'c' has bytes"):
        read_table(tmp_path / "t.parquet")
