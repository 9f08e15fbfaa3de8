"""Tables of inputs: CSV, JSON lines, GeoJSON, Parquet, products."""

from __future__ import annotations

import csv
import json
import resource
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from generator.package.map import tables
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
        ("t.jsonl", '{"n": 1, "n": 2}', "line 1: not JSON: 'n' is given twice"),
        ("t.geojson", '[{"n": 1}, {"n": {"x": 1, "x": 2}}]', "not JSON: 'x' is given twice"),
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
    [
        *(["n"], ["n="], ["=1"], ["n=1", "n=2"], ["n=1..9999999"], ["n=\n"], ["a=1..2000", "b=1..2000"]),
        [f"n=1..{'9' * 5000}"],
    ],
    ids=lambda words: " ".join(words)[:20],
)
def test_a_product_that_is_none_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        product(words)


def test_a_value_of_a_product_may_be_a_large_geometry() -> None:
    assert product([f"area={'x' * 300_000},a"]) == [{"area": "x" * 300_000}, {"area": "a"}]


def test_a_cell_may_be_a_large_geometry(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("area\n" + "x" * 300_000 + "\n")

    assert len(read_table(tmp_path / "t.csv")[0]["area"]) == 300_000


def test_bytes_of_parquet_are_refused(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"c": pyarrow.array([b"a"])}), tmp_path / "t.parquet")

    with pytest.raises(UsageError, match="row 1: column 'c' has bytes"):
        read_table(tmp_path / "t.parquet")


def test_a_doubled_name_among_very_many_columns_is_found_in_time(tmp_path: Path) -> None:
    columns = ",".join(map(str, range(200_000)))
    (tmp_path / "t.csv").write_text(f"{columns},199999\n")
    begun = time.process_time()

    with pytest.raises(UsageError, match="two columns are named '199999'"):
        read_table(tmp_path / "t.csv")

    assert time.process_time() - begun < 10


def _write_parquet(path: Path, columns: list[tuple[str, Any]]) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    arrays = [pyarrow.array(values) if isinstance(values, list) else values for _, values in columns]
    parquet.write_table(pyarrow.Table.from_arrays(arrays, names=[name for name, _ in columns]), path)
    return path


def test_two_columns_of_parquet_with_one_name_are_refused(tmp_path: Path) -> None:
    """The second one would replace the first."""
    path = _write_parquet(tmp_path / "t.parquet", [("n", [1]), ("n", [2])])

    with pytest.raises(UsageError, match="two columns are named 'n'"):
        read_table(path)


@pytest.mark.parametrize("cell", [[b"a"], {"x": b"a"}, {"x": [{"y": b"a"}]}], ids=str)
def test_bytes_within_a_cell_of_parquet_are_refused(cell: Any, tmp_path: Path) -> None:
    path = _write_parquet(tmp_path / "t.parquet", [("n", [cell])])

    with pytest.raises(UsageError, match="row 1: column 'n' has bytes"):
        read_table(path)


@pytest.mark.parametrize(("kind", "value"), [("date32", 2**31 - 1), ("duration", 2**62)])
def test_a_time_of_parquet_that_no_date_can_be_is_refused(kind: str, value: int, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    types = {"date32": pyarrow.date32(), "duration": pyarrow.duration("s")}
    path = _write_parquet(tmp_path / "t.parquet", [("n", pyarrow.array([value], types[kind]))])

    with pytest.raises(UsageError, match="a value cannot be read"):
        read_table(path)


def test_a_small_table_of_very_many_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_MOST_ROWS", 1000)
    path = _write_parquet(tmp_path / "t.parquet", [("n", [1] * 1001)])

    with pytest.raises(UsageError, match=r"has more than 1,000 rows"):
        read_table(path)


def test_a_small_table_of_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    monkeypatch.setattr(tables, "_LEAST_MEMORY", 256 << 20)
    monkeypatch.setattr(tables, "_SHARE_OF_MEMORY", 0)
    indices = pyarrow.array([0] * 1000, pyarrow.int32())
    repeated = pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array(["x" * (1 << 20)]))
    path = _write_parquet(tmp_path / "t.parquet", [("n", repeated)])
    limit = resource.getrlimit(resource.RLIMIT_AS)

    with pytest.raises(UsageError, match="its rows take too much memory"):
        read_table(path)

    assert resource.getrlimit(resource.RLIMIT_AS) == limit
