"""Scraps: all of scrapbook's encodings, and scraps that become files."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from support import read_scraps

from generator.runner.results.scraps import Scraps

_PARQUET = b"PAR1 not really PAR1"
_PNG = b"\x89PNG\r\n\x1a\n"


def data(name: str, value: Any, encoder: str = "json", version: int = 1) -> dict[str, Any]:
    content = {"name": name, "data": value, "encoder": encoder, "version": version}
    metadata = {"scrapbook": {"name": name, "data": True, "display": False}}
    kind = f"application/scrapbook.scrap.{encoder}+json"
    return {"output_type": "display_data", "data": {kind: content}, "metadata": metadata}


def shown(name: str, **bundle: Any) -> dict[str, Any]:
    kinds = {kind.replace("__", "+").replace("_", "/"): value for kind, value in bundle.items()}
    metadata = {"scrapbook": {"name": name, "data": False, "display": True}}
    return {"output_type": "display_data", "data": kinds, "metadata": metadata}


def scraps_of(*outputs: dict[str, Any], output: Path | None = None) -> Scraps:
    return read_scraps([{"cell_type": "code", "outputs": [one]} for one in outputs], output)


@pytest.mark.parametrize(
    ("output", "value"),
    [
        (data("a", "text", "text"), "text"),
        (data("a", '{"b": 1}', "text"), '{"b": 1}'),
        (data("a", '{"b": 1}', "json"), {"b": 1}),
        (data("a", "no json {", "json"), "no json {"),
        (data("a", "[" * 100_000, "json"), "[" * 100_000),
        (data("a", {"b": [1, None]}), {"b": [1, None]}),
        (data("a", float("nan")), None),
        (data("a", [float("inf"), {"b": float("-inf")}]), [None, {"b": None}]),
        (data("a", 1, version=2), 1),
        (data("a", [1], "someones-own"), [1]),
        ({"data": {"application/papermill.record+json": {"a": 2}}, "output_type": "display_data"}, 2),
    ],
)
def test_data_is_read_from_every_encoding(output: dict[str, Any], value: Any) -> None:
    assert scraps_of(output).all() == {"a": value}


def test_a_later_scrap_of_a_name_replaces_an_earlier_one() -> None:
    assert scraps_of(data("a", 1), data("b", 2), data("a", 3)).all() == {"a": 3, "b": 2}


def test_very_many_scraps_of_one_file_name_get_theirs_in_time() -> None:
    began = time.process_time()

    scraps = scraps_of(*(shown("?" * number, text_plain="x") for number in range(1, 10_001)))

    assert scraps.all()["?" * 10_000]["path"] == "scraps/_-10000.txt"
    assert time.process_time() - began < 5, "takes time with the square of their number"


def test_the_file_of_a_scrap_that_is_glued_again_keeps_its_name() -> None:
    scraps = scraps_of(shown("a?", text_plain="1"), shown("a!", text_plain="1"), shown("a?", text_plain="2"))

    assert scraps.files == ("scraps/a_-2.txt", "scraps/a_.txt")
    assert scraps.all()["a?"]["path"] == "scraps/a_.txt"


def test_a_table_becomes_a_file(tmp_path: Path) -> None:
    scraps = scraps_of(data("a table", base64.b64encode(_PARQUET).decode(), "pandas"), output=tmp_path)

    assert (tmp_path / "scraps/a_table.parquet").read_bytes() == _PARQUET
    file = {"class": "File", "path": "scraps/a_table.parquet", "basename": "a_table.parquet"}
    assert scraps.all() == {"a table": {**file, "format": "application/vnd.apache.parquet"}}


@pytest.mark.parametrize(
    ("output", "name", "content"),
    [
        (shown("a", image_png=base64.b64encode(_PNG).decode(), text_plain="x"), "a.png", _PNG),
        (shown("a", image_svg__xml="<svg/>", text_html="<b/>"), "a.svg", b"<svg/>"),
        (shown("a", text_html=["<p>", "größe</p>"], text_plain="x"), "a.html", "<p>größe</p>".encode()),
        (shown("a", text_plain="x"), "a.txt", b"x"),
        (shown("a", application_json={"b": 1}), "a.json", b'{\n "b": 1\n}'),
        (
            {"data": {"text/plain": "old"}, "metadata": {"papermill": {"name": "a"}}, "output_type": "display_data"},
            "a.txt",
            b"old",
        ),
        (shown("../../x/.y", text_plain="x"), "_.._x_.y.txt", b"x"),
        (shown("...", text_plain="x"), "scrap.txt", b"x"),
    ],
)
def test_a_display_becomes_a_file(output: dict[str, Any], name: str, content: bytes, tmp_path: Path) -> None:
    scraps = scraps_of(output, output=tmp_path)

    assert scraps.files == (f"scraps/{name}",)
    assert (tmp_path / "scraps" / name).read_bytes() == content


def test_a_name_of_data_and_of_a_display_has_both(tmp_path: Path) -> None:
    scraps = scraps_of(data("a", 1), shown("a", text_plain="one"), output=tmp_path)

    assert scraps.all() == {"a": 1}
    assert scraps.files == ("scraps/a.txt",)


def test_a_display_that_is_replaced_leaves_no_file_behind(tmp_path: Path) -> None:
    scraps_of(shown("a", text_plain="x"), shown("a", text_html="<p>"), output=tmp_path)

    assert [path.name for path in (tmp_path / "scraps").iterdir()] == ["a.html"]


def test_names_that_no_file_can_tell_apart_get_files_of_their_own(tmp_path: Path) -> None:
    scraps = scraps_of(shown("a b", text_plain="1"), shown("a/b", text_plain="2"), output=tmp_path)

    assert scraps.files == ("scraps/a_b-2.txt", "scraps/a_b.txt")


def test_a_shown_name_of_another_program_s_is_left_alone() -> None:
    output = {"data": {"text/plain": "x"}, "metadata": {"papermill": None, "other": {"name": "a"}}}

    assert scraps_of(output).all() == {}


@pytest.mark.parametrize(("value", "status"), [(201, 201), ("404", 404), (True, None), (1000, None), ("x", None)])
def test_the_status_code_is_an_http_status(value: Any, status: int | None) -> None:
    assert scraps_of(data("statusCode", value)).status_code == status


def test_scraps_json_is_json_for_everyone(tmp_path: Path) -> None:
    scraps_of(data("a", float("nan")), data("b", "größe \ud800"), output=tmp_path).write()

    assert json.loads((tmp_path / "scraps.json").read_bytes()) == {"a": None, "b": "größe \ud800"}
