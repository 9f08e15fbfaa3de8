"""What is stored of a run's values in readable form, and how two results are compared."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from generator.package.job_numbers import job_number
from generator.service import archives
from generator.service.archives import Archive
from generator.service.jobs.environment import secrets_to_mask
from generator.service.jobs.spec import secret_inputs
from generator.service.pages.value_texts import value_text
from generator.service.runs.comparison import Withheld, compare_files, compare_values, number_change
from generator.service.runs.recording import may_have_secrets, run_record, split_values
from generator.service.runs.results import read_result
from generator.service.store.job_folders import DataFolder
from generator.service.store.masking import secret_texts
from generator.shared.size_text import size_text

_INTERFACE = {
    "inputs": [{"name": "n"}, {"name": "class"}, {"name": "word", "secret": True}, {"name": "api_token"}, "malformed"],
    "stage_in": [{"name": "scene", "type": "File"}],
}


@pytest.mark.parametrize(
    ("text", "readable", "withheld", "secret"),
    [
        ("", {}, (), False),
        ("n: 3", {"n": 3}, (), False),
        ('{"n": [1, {"a": null}]}', {"n": [1, {"a": None}]}, (), False),
        ("class_: x", {"class_": "x"}, (), False),
        ("{n: 3, word: open}", {"n": 3}, ("word",), True),
        ("api_token: abc", {}, ("api_token",), False),
        ("undeclared: abc", {}, ("undeclared",), False),
        ("n: {password: abc}", {}, ("n",), False),
        ("n: [{deep: {my_key: abc}}]", {}, ("n",), False),
        ("n: https://ada:word@example.org/x", {}, ("n",), False),
        ("n: https://example.org/x?sig=abc", {}, ("n",), False),
        ("scene: {class: File, location: 'https://example.org/x'}", "same", (), False),
        (f'{{"n": "{"x" * 20000}"}}', {}, ("n",), False),
        (f"n: {'x' * 20000}", {}, (), True),
        ("{not: [closed", {}, (), True),
        ("[1, 2]", {}, (), True),
    ],
)
def test_values_are_readable_unless_something_suggests_a_secret(
    text: str, readable: Any, withheld: tuple[str, ...], secret: bool
) -> None:
    expected = {"scene": {"class": "File", "location": "https://example.org/x"}} if readable == "same" else readable

    assert split_values(text, _INTERFACE) == (expected, withheld, secret)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"package": "7"}, "packages/ada/trees/a"),
        ({"package": "7", "package_process": "b.ipynb"}, "packages/ada/trees/b"),
        ({"package": "7", "package_process": "b"}, "packages/ada/trees/b"),
        ({"package": "7", "package_process": "c.ipynb"}, ""),
        ({"package": "7", "table": "tables/1/rows.csv"}, ""),
        ({"package": "8"}, ""),
        ({"package": "x"}, ""),
        ({}, ""),
    ],
)
def test_the_package_of_a_run_is_the_one_that_its_job_chooses(
    variables: dict[str, str], folder: str, tmp_path: Path
) -> None:
    data = DataFolder(tmp_path)
    data.job(7).path.mkdir(parents=True)
    with zipfile.ZipFile(data.job(7).artifacts, "w") as packed:
        for name in "ab":
            empty: dict[str, Any] = {part: {} for part in ("repository", "commit", "image", "interface")}
            about = json.dumps({**empty, "process": {"path": f"{name}.ipynb"}})
            packed.writestr(f"packages/ada/trees/{name}/package.json", about)
            packed.writestr(f"packages/ada/trees/{name}/process.cwl", "")

    found = run_record(data, [{"key": key, "value": value} for key, value in variables.items()])

    assert (found.folder if found else "") == folder


def _leave_packages(file: Path, count: int) -> Archive:
    """Leave packages of which only the last has a secret input, word."""
    with zipfile.ZipFile(file, "w") as packed:
        for number in range(count):
            about: dict[str, Any] = {part: {} for part in ("repository", "commit", "image", "process")}
            about["interface"] = {"inputs": [{"name": "word", "secret": number == count - 1}]}
            packed.writestr(f"packages/ada/trees/main/{number:03d}/package.json", json.dumps(about))
            packed.writestr(f"packages/ada/trees/main/{number:03d}/process.cwl", "")
    return Archive(file)


def test_of_many_packages_all_records_are_read_with_the_archive_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To open it for each takes time with the square of their number, whenever a run starts."""
    data, opened = DataFolder(tmp_path), list[Path]()
    data.job(7).path.mkdir(parents=True)
    assert len(_leave_packages(data.job(7).artifacts, 120).packages()) == 120
    plain = archives.open_archive
    monkeypatch.setattr(archives, "open_archive", lambda file, **more: opened.append(file) or plain(file, **more))

    given = {"package": "7", "package_process": "119", "inputs": "{word: hidden}"}
    found = run_record(data, [{"key": key, "value": value} for key, value in given.items()])

    assert found
    assert (found.folder, found.withheld) == ("packages/ada/trees/main/119", ("word",))
    assert opened == [data.job(7).artifacts]
    assert len(archives.list_packages(data.job(7).artifacts)) == 50
    assert len(opened) == 2


def test_secret_inputs_of_every_package_of_a_job_are_known(tmp_path: Path) -> None:
    assert _leave_packages(tmp_path / "a.zip", 120).secret_inputs() == {"word"}
    assert Archive(tmp_path / "missing.zip").secret_inputs() == frozenset()


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), (" 7\n", 7), ("007", 7), ("0" * 5000 + "7", 7), ("1" * 18, int("1" * 18))]
    + [(text, None) for text in ("", " ", "x", "-7", "+7", "7.0", "7 7", "1_0", "٧", "²", "1" * 19, "9" * 5000)],
)
def test_a_number_of_a_job_has_one_meaning(text: str, number: int | None) -> None:
    """Else the service would mask the secrets of another package than the job runs, or of none."""
    assert job_number(text) == number


@pytest.mark.parametrize("package", ["7", "7\n", " 7", "007", "x", "٧", "8"])
def test_secrets_of_a_run_are_masked_and_removed_in_every_form_of_the_package(package: str, tmp_path: Path) -> None:
    """Of a package that is not known, such as that of a job that has not ended yet, every value is a secret."""
    data = DataFolder(tmp_path)
    data.job(7).path.mkdir(parents=True)
    _leave_packages(data.job(7).artifacts, 1)
    given = {"package": package, "inputs": "{word: hidden}"}
    variables = [{"key": key, "value": value} for key, value in given.items()]

    secrets = secrets_to_mask(given, "job-token", secret_inputs=secret_inputs(data, given))

    assert secrets == ["job-token", "hidden"]
    assert may_have_secrets(run_record(data, variables), variables)


@pytest.mark.parametrize("limit", ["_MOST_RECORDS", "_LONGEST_RECORDS", "_LARGEST_DIRECTORY"])
def test_of_too_many_packages_every_value_is_secret(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, limit, 2)
    data = DataFolder(tmp_path)
    data.job(7).path.mkdir(parents=True)
    _leave_packages(data.job(7).artifacts, 3)

    assert run_record(data, [{"key": "package", "value": "7"}]) is None
    assert secret_texts("{word: hidden, list: [open]}", Archive(data.job(7).artifacts).secret_inputs()) == [
        "open", "hidden",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "change"),
    [(2, 4, "+2 (+100 %)"), (4, 3.5, "-0.5 (-12.5 %)"), (0, 3, "+3"), (-2, 2, "+4 (+200 %)"), (1, float("inf"), "")],
)
def test_the_difference_of_numbers_is_shown(first: float, second: float, change: str) -> None:
    assert number_change(first, second) == change


def test_values_are_compared_by_name_in_the_order_of_the_first() -> None:
    found = compare_values({"b": 1, "a": "x", "c": 1}, {"a": "y", "b": 1.0, "d": None})

    assert [(one.name, one.differs, one.second) for one in found] == [
        ("b", False, "1.0"), ("a", True, "y"), ("c", True, ""), ("d", True, "null"),
    ]  # fmt: skip


def test_secrets_of_two_runs_are_not_called_equal() -> None:
    found = compare_values({"word": Withheld()}, {"word": Withheld()})

    assert (found[0].differs, found[0].change) == (False, "not compared")


@pytest.mark.parametrize(
    ("size", "shown"),
    [(1500, "a.csv (1.5 kB, sha1 abc)"), (10**400, "a.csv"), (-1, "a.csv"), (1.5, "a.csv")],
    ids=["size", "400 digits", "negative", "a fraction"],
)
def test_an_uploaded_file_with_a_size_that_no_file_has_is_shown_by_its_name(size: Any, shown: str) -> None:
    """Pages list the values of all runs: one that cannot be shown would take the others with it."""
    value = {"class": "File", "path": "uploads/n/a.csv", "size": size, "checksum": "sha1$abc"}
    readable, _, _ = split_values(json.dumps({"n": value}), _INTERFACE)

    assert value_text(readable["n"]) == shown


def test_a_number_of_bytes_beyond_those_of_computers_has_a_text() -> None:
    assert size_text(10**400) == "inf GB"


def _artifacts(file: Path, **contents: Any) -> Archive:
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in contents.items():
            packed.writestr(f"results/output/{name}", content if isinstance(content, str) else json.dumps(content))
    return Archive(file)


def test_files_of_one_size_differ_by_their_digest(tmp_path: Path) -> None:
    listed = [{"path": "a", "size": 1, "sha256": "1" * 64}]
    first = _artifacts(tmp_path / "1.zip", **{"a": "x", "result.json": {"outputs": listed, "peak_memory": 5}})
    listed = [{"path": "a", "size": 1, "sha256": "2" * 64}]
    second = _artifacts(tmp_path / "2.zip", **{"a": "y", "b": "", "result.json": {"outputs": listed}})

    found = compare_files(read_result(first), read_result(second))

    assert [(one.name, one.differs) for one in found] == [("a", True), ("b", True)]
    assert read_result(first).peak_memory == 5


@pytest.mark.parametrize(
    "record",
    ["[]", "{", '{"outputs": 1, "duration": "x", "peak_memory": true}', '{"outputs": [1, {"path": 2}]}', "9" * 9],
)
def test_a_malformed_record_leaves_the_names_of_files(record: str, tmp_path: Path) -> None:
    archive = _artifacts(tmp_path / "1.zip", **{"a": "x", "result.json": record, "scraps.json": record})

    found = read_result(archive)

    assert list(found.files) == ["a"]
    assert (found.seconds, found.peak_memory) == (None, None)
