"""The rows of a map: checked against the interface, all mistakes at once, and a folder for each."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from generator.notebook.parameters import CwlType, Hint, Role
from generator.package.map.checking import values_of_all
from generator.package.map.folders import delivered_apart, digits_of, row_folders
from generator.package.map.journal import Ended, open_journal
from generator.package.map.report import write_report
from generator.package.map.results import write_results
from generator.package.map.rows import PlannedRow, plan_rows
from generator.package.map.tables import Row, read_table
from generator.shared import contract
from generator.shared.errors import UsageError

_HINTS = {
    "n": Hint(type=CwlType.INT),
    "name": Hint(type=CwlType.STRING),
    "mode": Hint(type=CwlType.ENUM, symbols=("a", "b")),
    "scene": Hint(type=CwlType.FILE),
    "scenes": Hint(type=CwlType.FILE, array=True),
    "parts": Hint(type=CwlType.DOUBLE, array=True),
    "token": Hint(type=CwlType.STRING, secret=True),
    "area": Hint(type=CwlType.ANY),
}


def planned(folder: Path, *table: dict[str, Any], **shared: Any) -> list[PlannedRow]:
    return plan_rows(table, shared, _HINTS, folder=folder)


def test_cells_become_values_of_the_inputs_types(tmp_path: Path) -> None:
    (tmp_path / "a.tif").touch()
    rows = planned(
        tmp_path,
        {"n": "1", "name": "007", "parts": "[1, 2.5]", "scene": "a.tif", "area": "{a: 1}"},
        {"n": 2, "parts": [3], "area": {"type": "Point", "coordinates": [1, 2]}},
        name="of all",
    )

    assert [row.number for row in rows] == [1, 2]
    first = dict(rows[0].values)
    assert first.pop("scene")["location"] == (tmp_path / "a.tif").as_uri()
    assert first == {"n": 1, "name": "007", "parts": [1.0, 2.5], "area": {"a": 1}}
    area = {"type": "Point", "coordinates": [1, 2]}
    assert rows[1].values == {"n": 2, "name": "of all", "parts": [3.0], "area": area}


def test_a_text_without_a_type_is_json_in_a_table_of_texts_only(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('area\n012\n#ff0000\n"{""a"": 1}"\n7\n')
    (tmp_path / "t.jsonl").write_text('{"area": "012"}\n{"area": "{}"}\n{"area": "null"}\n{"area": "7"}\n{"area": 7}\n')
    (tmp_path / "t.geojson").write_text('{"type": "Feature", "properties": {"area": "7"}}')

    def areas(name: str) -> list[Any]:
        return [row.values["area"] for row in planned(tmp_path, *read_table(tmp_path / name))]

    assert areas("t.csv") == ["012", "#ff0000", {"a": 1}, 7]
    assert areas("t.jsonl") == ["012", "{}", "null", "7", 7]
    assert areas("t.geojson") == ["7"]


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet"])
def test_a_destination_in_a_table_is_a_record_and_never_the_text_of_one(ending: str, tmp_path: Path) -> None:
    record = {"s3_url": "s3://b/x", "aws_access_key_id": "id", "aws_secret_access_key": "s3cret"}
    hints = {"stage_out": Hint(optional=True)}

    def destinations(*texts: str) -> list[Any]:
        rows = plan_rows(_table(tmp_path / f"t.{ending}", texts), {}, hints, folder=tmp_path)
        return [row.values["stage_out"] for row in rows]

    assert destinations(json.dumps(record), "results") == [record, "results"]
    with pytest.raises(UsageError, match="row 2: stage_out is neither an address nor a record") as refusal:
        destinations("results", json.dumps(record)[:-2])
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    "destination",
    ["s3://bucket/run", "s3://bucket/run/", {"s3_url": "s3://bucket/run"}, {"url": "gs://bucket/run"}],
    ids=["address", "folder", "record", "other-store"],
)
def test_two_rows_of_a_table_do_not_deliver_to_one_place(destination: Any, tmp_path: Path) -> None:
    table = [{"stage_out": destination}, {"stage_out": "results"}, {"stage_out": "results"}, {"stage_out": destination}]

    with pytest.raises(UsageError, match="row 4: stage_out is that of row 1, whose results would be replaced"):
        plan_rows(table, {}, {"stage_out": Hint(optional=True)}, folder=tmp_path)


def test_places_with_one_name_on_two_servers_differ(tmp_path: Path) -> None:
    servers = ("https://a.example.org", "https://b.example.org", None)
    table = [{"stage_out": {"s3_url": "s3://bucket/run", "endpoint_url": server}} for server in servers]

    assert len(plan_rows(table, {}, {"stage_out": Hint(optional=True)}, folder=tmp_path)) == 3


@pytest.mark.parametrize(
    ("shared", "delivered"),
    [
        ("s3://bucket/run/", ["s3://bucket/run/lisbon", "s3://bucket/run/porto/1", "s3://own"]),
        (
            {"s3_url": "s3://bucket", "aws_access_key_id": "id"},
            [
                {"s3_url": "s3://bucket/lisbon", "aws_access_key_id": "id"},
                {"s3_url": "s3://bucket/porto/1", "aws_access_key_id": "id"},
                "s3://own",
            ],
        ),
        ("results", ["results", "results", "s3://own"]),
        ({"directory": "results"}, [{"directory": "results"}, {"directory": "results"}, "s3://own"]),
        ("s3://", ["s3://", "s3://", "s3://own"]),
    ],
    ids=["address", "record", "name", "folder", "no-bucket"],
)
def test_each_row_has_a_place_below_a_destination_of_all_rows(
    shared: Any, delivered: list[Any], tmp_path: Path
) -> None:
    table: list[Row] = [{}, {}, {"stage_out": "s3://own"}]
    rows = plan_rows(table, {"stage_out": shared}, {"stage_out": Hint(optional=True)}, folder=tmp_path)

    found = delivered_apart(rows, {1: "lisbon", 2: "porto/1", 3: "c"})

    assert [row.values["stage_out"] for row in found] == delivered
    assert [row.given for row in found] == table, "tables of results have the columns of the table"


def test_the_place_of_a_row_depends_on_no_other_row(tmp_path: Path) -> None:
    def places(*folders: str) -> list[Any]:
        table: list[Row] = [{} for _ in folders]
        rows = plan_rows(table, {"stage_out": "s3://b"}, {"stage_out": Hint(optional=True)}, folder=tmp_path)
        return [row.values["stage_out"] for row in delivered_apart(rows, dict(enumerate(folders, 1)))]

    cities = ("lisbon", "são paulo", "s o paulo")

    found = places(*cities)

    assert found[:2] == places(*cities[:2])
    assert found[0] == "s3://b/lisbon"
    assert [re.sub("[0-9a-f]{8}$", "…", one) for one in found[1:]] == ["s3://b/s_o_paulo-…", "s3://b/s_o_paulo-…"]
    assert len(set(found)) == 3


def test_renewed_keys_make_no_other_row(tmp_path: Path) -> None:
    """Keys that expire during a map are the reason to continue it."""
    record = {"s3_url": "s3://b", "aws_access_key_id": "a", "aws_secret_access_key": "s", "aws_session_token": "t"}
    renewed = {"s3_url": "s3://b", "aws_access_key_id": "A", "aws_secret_access_key": "S", "aws_session_token": "T"}
    stage_in = Hint(optional=True, role=Role.STAGE_IN)
    hints = {
        "stage_out": Hint(optional=True),
        "credentials": Hint(optional=True),
        "scene": stage_in,
        "token": Hint(type=CwlType.STRING, secret=True),
        "mapping": Hint(type=CwlType.ANY),
    }

    def digest(**values: Any) -> str:
        return plan_rows([{}], values, hints, folder=tmp_path)[0].digest

    first = digest(stage_out=record, token="a", credentials={"token": "a"}, mapping={"token": 1})

    assert first == digest(stage_out=renewed, token="b", credentials={"token": "b"}, mapping={"token": 1})
    assert first != digest(stage_out={**record, "s3_url": "s3://c"}, token="a", mapping={"token": 1})
    assert first != digest(stage_out=record, token="a", mapping={"token": 2}), "which is a value like others"


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_keys_in_a_table_are_in_no_table_or_report_of_results(ending: str, tmp_path: Path) -> None:
    """Reports are for showing; the rows themselves get the keys."""
    keys = {"aws_access_key_id": "s3cret-id", "aws_secret_access_key": "s3cret", "aws_session_token": "s3cret-token"}
    destination = json.dumps({"s3_url": "s3://b/x", **keys, "aws_config": {"class": "Directory", "path": "."}})
    scene = [{"url": "https://ada:s3cret@example.org/a.tif?sig=s3cret", "password": "s3cret"}]
    address = "https://ada:s3cret@example.org/b.csv?X-Amz-Signature=s3cret"
    hints = {
        "stage_out": Hint(optional=True),
        "scene": Hint(optional=True, role=Role.STAGE_IN),
        "source": Hint(type=CwlType.STRING),
        "question": Hint(type=CwlType.STRING),
    }
    table = [dict(_table(tmp_path / f"t.{ending}", (destination,))[0])]
    table[0] |= {"scene": scene, "source": address, "question": "why?because"}

    rows = plan_rows(table, {}, hints, folder=tmp_path)
    results = [(row, "1", None) for row in rows]
    write_report(tmp_path, results, package="trees", tables=write_results(tmp_path, results))

    assert rows[0].values["stage_out"]["aws_secret_access_key"] == "s3cret"
    written = [path for path in tmp_path.iterdir() if path.stem in ("results", "report")]
    assert {path.name for path in written} >= {"results.csv", "report.html"}
    assert [path.name for path in written if b"s3cret" in path.read_bytes()] == []
    (shown,) = csv.DictReader((tmp_path / "results.csv").read_text().splitlines())
    assert json.loads(shown["stage_out"])["s3_url"] == "s3://b/x"
    assert json.loads(shown["scene"]) == [{"url": "https://example.org/a.tif?"}]
    assert (shown["source"], shown["question"]) == ("https://example.org/b.csv?", "why?because")
    if "results.parquet" in {path.name for path in written}:
        from pyarrow import parquet

        assert "s3cret" not in str(parquet.read_table(tmp_path / "results.parquet").to_pylist())


def _table(path: Path, destinations: tuple[str, ...]) -> list[Row]:
    rows = [{"stage_out": text} for text in destinations]
    if path.suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([["stage_out"], *([text] for text in destinations)])
    else:
        lines = [json.dumps(row) for row in rows]
        path.write_text("\n".join(lines) if path.suffix == ".jsonl" else f"[{','.join(lines)}]")
    return list(read_table(path))


def test_all_mistakes_of_a_row_are_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, {"n": "x", "mode": "c", "parts": ["y"]})

    found = [line.split()[2] for line in str(caught.value).splitlines()[1:]]
    assert found == ["n", "mode", "parts"]


def test_all_mistakes_are_reported_with_their_rows(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, {"n": "1"}, {"n": "x", "mode": "a"}, {"mode": "c"}, {"scene": "none.tif"})

    first, *lines = str(caught.value).splitlines()
    assert first == "the table does not fit the package:"
    assert [line.split(":")[0].strip() for line in lines] == ["row 2", "row 3", "row 4"]
    assert "n is 'x'" in lines[0]
    assert "'none.tif', but this file does not exist" in lines[2]


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="and 80 more"):
        planned(tmp_path, *[{"n": "x"}] * 100)


def test_a_column_that_is_no_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"column .modes. is not an input.*mode"):
        planned(tmp_path, {"modes": "a"})


def test_a_secret_is_not_read_from_a_table(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="token is secret"):
        planned(tmp_path, {"token": "x"})


def test_a_geometry_that_no_input_asks_for_is_left_out(tmp_path: Path) -> None:
    assert planned(tmp_path, {"n": 1, "geometry": {"type": "Point"}})[0].values == {"n": 1}


@pytest.mark.parametrize(
    "row",
    [
        {"scene": "/etc/hostname"},
        {"scene": "../secret.tif"},
        {"scene": "/no/such/file"},
        {"scene": {"class": "File", "path": "/etc/hostname"}},
        {"area": "{class: File, path: /etc/hostname}"},
        {"scene": "file:///etc/hostname"},
        {"scene": "file:///no/such/file"},
        {"scene": "FILE:/etc"},
        {"scenes": "[/no/such/file]"},
        {"scenes": "[a.tif, {class: File, path: /no/such/file}]"},
        {"scenes": ["file:///etc"]},
    ],
    ids=str,
)
def test_rows_of_others_have_files_of_one_folder_alone(row: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "a.tif").touch()
    inside = plan_rows(
        [{"scene": "a.tif"}, {"scene": "https://example.org/a.tif"}], {}, _HINTS, folder=folder, only=folder
    )
    assert len(inside) == 2

    with pytest.raises(UsageError, match=r"row 1: \w+ is not allowed: .*local files are not allowed here"):
        plan_rows([row], {}, _HINTS, folder=folder, only=folder)


def test_a_path_that_looks_like_a_list_tells_others_of_no_file(tmp_path: Path) -> None:
    """It counts as a path if it leads to a file."""
    folder, mistakes = tmp_path / "package", []
    (folder / "[x]").mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(UsageError) as caught:
            plan_rows([{"scene": "[x]/../../none"}], {}, _HINTS, folder=folder, only=folder)
        mistakes.append(str(caught.value))
        (tmp_path / "none").touch()

    assert mistakes[0] == mistakes[1]


@pytest.mark.parametrize("text", ["/no/such/file", "file:///etc/hostname", "[/etc]", "[file:///no/such/file]"])
def test_values_of_all_rows_of_others_have_files_of_one_folder_alone(text: str, tmp_path: Path) -> None:
    for name in ("scenes",) if text.startswith("[") else ("scene", "scenes"):
        with pytest.raises(UsageError, match=rf"{name} is not allowed: .*local files are not allowed here"):
            values_of_all([f"{name}={text}"], _HINTS, tmp_path, tmp_path)


@pytest.mark.parametrize("text", ["../made", "x://../../made", "file:{0}/made", "made"])
def test_a_value_of_others_makes_no_folder_for_a_cache(text: str, tmp_path: Path) -> None:
    package = tmp_path / "of" / "package"
    package.mkdir(parents=True)
    hints = {contract.cache_input: Hint(type=CwlType.DIRECTORY)}

    with pytest.raises(UsageError, match=r"cache_dir|local files are not allowed here"):
        values_of_all([f"cache_dir={text.format(tmp_path)}"], hints, package, package)

    assert sorted(tmp_path.rglob("*")) == [tmp_path / "of", package]


def test_a_list_of_files_in_a_table_of_json_has_one_file_an_item(tmp_path: Path) -> None:
    names = ("a.tif", "[b.tif, c.tif]")
    for name in names:
        (tmp_path / name).touch()

    row = planned(tmp_path, {"scenes": list(names)})[0]

    assert [one["location"] for one in row.values["scenes"]] == [(tmp_path / name).as_uri() for name in names]
    for cell in (["[]"], ["[a.tif, d.tif]"]):
        with pytest.raises(UsageError, match=r"row 1: scenes is .* is needed"):
            planned(tmp_path, {"scenes": cell})


def test_a_package_at_another_place_has_the_same_rows(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "another"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "a.tif").touch()
        digests += [row.digest for row in plan_rows([{"scene": "a.tif"}], {}, _HINTS, folder=folder, package=folder)]

    assert digests[0] == digests[1]
    assert planned(tmp_path / "one", {"scene": "a.tif"})[0].digest != digests[0]


def rows(*values: dict[str, Any]) -> list[PlannedRow]:
    return [PlannedRow(number=number, values=one, given=one) for number, one in enumerate(values, 1)]


def test_folders_are_numbers_of_equal_length() -> None:
    assert list(row_folders(rows(*[{}] * 10), None).values())[:2] == ["01", "02"]


def test_folders_keep_their_names_when_the_table_grows(tmp_path: Path) -> None:
    first, grown = rows(*[{}] * 99), rows(*[{}] * 100)
    with open_journal(tmp_path, resume=False) as journal:  # a map that ran no row decides nothing
        assert journal.digits(5) == 5
    with open_journal(tmp_path, resume=False) as journal:
        folders = row_folders(first, None, digits=journal.digits(digits_of(first)))
        journal.store(first[0], folders[1], Ended(state="succeeded"))

    with open_journal(tmp_path, resume=True) as journal:
        again = row_folders(grown, "{{ args.row }}", digits=journal.digits(digits_of(grown)))

        assert (again[1], again[99], again[100]) == ("01", "99", "100")
        assert journal.ended(grown[0], again[1])


def test_a_template_names_folders_by_values() -> None:
    folders = row_folders(rows({"city": "Rome"}, {"city": "Oslo"}), "{{ city }}/{{ args.row }}")

    assert folders == {1: "Rome/1", 2: "Oslo/2"}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ city }}", "rows 1 and 2 both get 'Rome'"),
        ("../{{ args.row }}", "outside"),
        ("{% if args.row == '1' %}a{% else %}a/b{% endif %}", "row 2 is in the folder 'a' of row 1"),
        ("{{ missing }}", "missing"),
        ("{% if args.row == '1' %}a/b{% else %}./a//b{% endif %}", "rows 1 and 2 both get 'a/b'"),
        ("{{ city[4:] }}", "row 1 gets no name"),  # its results would replace those of all rows
        ("{{ city[4:] }}.", "row 1 gets no name"),
    ],
)
def test_a_template_that_mixes_rows_is_refused(template: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        row_folders(rows({"city": "Rome"}, {"city": "Rome"}), template)
