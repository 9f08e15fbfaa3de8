"""Whatever a job leaves, pages and API rows that show it answer."""

from __future__ import annotations

import io
import json
import os
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from ci_service import ACCESS, PIPELINE_FILE, Service, make_project

from generator.service import archives
from generator.service.archives import Archive
from generator.service.jobs import junit_reports
from generator.service.jobs.artifact_collector import ArtifactCollector
from generator.service.jobs.trace_writer import Trace
from generator.service.pages import log, packages

_FILE = PIPELINE_FILE.replace("paths: [out/]\n    when", "paths: [out/, packages/]\n    when")
_PARTS: dict[str, Any] = {part: {} for part in ("repository", "commit", "process", "image", "interface")}
_FOLDER = "packages/ada/trees/main"


@pytest.fixture(scope="module")
def odd_service(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A service whose jobs may leave packages."""
    project = make_project(tmp_path_factory.mktemp("odd") / "ada" / "toy", _FILE)
    running = Service(project, tmp_path_factory.mktemp("odd-service") / "data").start()
    yield running
    running.stop()


@pytest.fixture
def job(odd_service: Service, tmp_path: Path) -> Callable[..., int]:
    """Makes a job that leaves files; its number."""

    def run(files: dict[str, str], more: str = "true") -> int:
        for name, text in files.items():
            path = tmp_path / "left" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        copied = f"cp -r {tmp_path}/left/. ." if files else "true"
        number = odd_service.trigger(script=f"{copied}; {more}")
        assert odd_service.wait(number) == "success"
        return int(odd_service.jobs(number)["one"]["id"])

    return run


def _page(service: Service, path: str) -> requests.Response:
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)
    return session.get(f"{service.url}/ada/toy/-/{path}", timeout=60)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[" * 50_000 + "]" * 50_000, "out/scraps.json is not shown: it is nested too deeply"),
        ('{"a": ' + "[" * 50_000 + "]" * 50_000 + "}", "nested too deeply"),
        ('{"half": "\\ud800", "\\udfff": 1}', "half"),
        ('{"n": NaN, "i": -Infinity}', "-Infinity"),
        ('{"large": ' + "9" * 6000 + "}", "a number that is too long"),
        ("[1]", "not a JSON object"),
        ("nonsense", "not valid JSON"),
        (json.dumps({f"name{n}": "x" * 3000 for n in range(300)}), "name199"),
    ],
)
def test_scraps_of_any_kind_are_shown_or_said(
    odd_service: Service, job: Callable[..., int], text: str, shown: str
) -> None:
    answer = _page(odd_service, f"jobs/{job({'out/scraps.json': text})}")

    assert answer.status_code == 200
    assert shown in answer.text
    assert len(answer.content) < 1_000_000


def test_a_log_of_nothing_but_line_ends_is_shown_in_parts(odd_service: Service, job: Callable[..., int]) -> None:
    number = job({}, "head -c 3000000 /dev/zero | tr '\\0' '\\n'")
    answer = _page(odd_service, f"jobs/{number}")
    assert answer.status_code == 200
    assert answer.text.count('class="line"') <= 5000
    assert "Job succeeded" in answer.text

    lines = _page(odd_service, f"jobs/{number}/lines?start=1000").json()
    assert len(lines["lines"]) == 5000
    assert lines["next"] == 6000


def test_every_line_is_shown_once_however_a_log_is_asked_for() -> None:
    text = b"".join(b"%d\n" % n for n in range(12_000)) + b"no end"
    start, found = 0, list[str]()
    while True:
        lines, taken = log.lines(text[start:])
        if not taken:
            break
        start += taken
        found += [line["html"] for line in lines]

    assert found == [str(n) for n in range(12_000)]
    assert text[start:] == b"no end"
    last = log.offset_of_last_lines(text[:start])
    assert text[last:].startswith(b"7000\n")
    assert log.offset_of_last_lines(b"one\ntwo\n") == 0
    assert log.offset_of_last_lines(b"") == 0


@pytest.mark.parametrize(
    "change",
    [
        {"interface": {"inputs": 3}},
        {"interface": {"inputs": [1, "x", None]}},
        {"interface": {"inputs": [{"type": "int"}]}},
        {"interface": {"inputs": [{"name": "a", "type": "string", "symbols": 3}]}},
        {"interface": {"outputs": [{"name": "a"}]}},
        {"interface": {"inputs": [{"name": f"n{n}", "type": "int"} for n in range(1001)]}},
        {"commit": {"id": 3}},
    ],
)
def test_a_package_that_packmill_did_not_write_is_said(
    odd_service: Service, job: Callable[..., int], change: dict[str, Any]
) -> None:
    number = job({f"{_FOLDER}/package.json": json.dumps(_PARTS | change), f"{_FOLDER}/process.cwl": "{}"})
    answer = _page(odd_service, f"jobs/{number}/package/{_FOLDER}")

    assert answer.status_code == 200
    assert "This package is not shown" in answer.text
    for path in (f"jobs/{number}", "packages", "pipelines"):
        assert _page(odd_service, path).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"interface": {"inputs": [{"name": "a\ud800", "type": "string", "default": float("nan")}]}},
        {"process": {"path": "<b>\ud800.ipynb"}, "image": {"reference": ["x"]}},
        {"process": {"path": 3}, "repository": {"address": None}},
    ],
)
def test_a_package_with_odd_values_is_shown(
    odd_service: Service, job: Callable[..., int], change: dict[str, Any]
) -> None:
    number = job({f"{_FOLDER}/package.json": json.dumps(_PARTS | change), f"{_FOLDER}/process.cwl": "class: x"})
    answer = _page(odd_service, f"jobs/{number}/package/{_FOLDER}")

    assert answer.status_code == 200
    assert "Run it here" in answer.text


@pytest.mark.parametrize(
    "text", ["inputs: &a [{id: x, type: *a}]", "- " * 3000, "x: 2020-99-99", "\x00", "inputs: {a: [" * 400]
)
def test_a_workflow_that_cannot_be_drawn_is_left_out(text: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("packages/x/process.cwl", text)

    assert packages._whole_picture(Archive(tmp_path / "a.zip"), "packages/x", "title") == ""


_CASE = '<testcase name="{}" time="{}"/>'


@pytest.mark.parametrize("time", ["1e308", "-1", "inf", "nan", "soon", "", "9" * 400])
def test_odd_times_of_tests_do_not_stop_their_report(odd_service: Service, job: Callable[..., int], time: str) -> None:
    cases = "".join(_CASE.format(n, time) for n in range(3))
    number = job({"report.xml": f"<testsuite>{cases}</testsuite>"})
    pipeline = odd_service.ask("GET", f"/jobs/{number}").json()["pipeline"]["id"]

    assert odd_service.get(f"/pipelines/{pipeline}/test_report")["total_count"] == 3
    assert odd_service.get(f"/pipelines/{pipeline}/test_report_summary")["total"]["time"] < 1e10
    assert _page(odd_service, f"jobs/{number}").status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE x><testsuite name="a"/>'.encode("utf-16"),
        b"<testsuite>" + b"<testcase/>" * 2001 + b"</testsuite>",
        b"<testsuites>" + b"<testsuite/>" * 2001 + b"</testsuites>",
    ],
)
def test_reports_that_a_page_has_no_room_for_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"document type|more than 2000"):
        junit_reports.read(text)


def test_of_a_report_and_of_variables_without_end_only_a_part_is_read(tmp_path: Path) -> None:
    """Files of 2 GiB, with holes: to read them whole would need as much memory, to copy them as much disk space."""
    work, folder = tmp_path / "work", tmp_path / "job"
    for place in (work, folder):
        place.mkdir()
    for name in ("report.xml", "made.env"):
        with (work / name).open("wb") as file:
            file.write(b"A=1\n")
            file.truncate(2 << 30)
    ended: dict[str, Any] = {"reason": None}
    trace = Trace(folder / "trace", secrets=[], limit=1000)
    keep = {"when": "on_success", "paths": [], "junit": ["report.xml"], "dotenv": ["made.env"]}
    tracemalloc.start()
    try:
        ArtifactCollector(work, folder, trace, limit=0).collect(keep, ended)
        with pytest.raises(ValueError, match="too long"):
            junit_reports.read_file(work / "report.xml")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        trace.close()

    assert (ended["dotenv"], ended["junit"]) == ({"A": "1"}, ["junit-0.xml"])
    assert (folder / "junit-0.xml").stat().st_size < 11 << 20
    assert peak < 50 << 20


_TWINS = (b"a\xfe.txt", b"a\xff.txt", "a\ufffd.txt".encode(), b"d\xfe/x", b"d\xff/x", b"d\xff/y", b"f\xfe", b"f\xff/x")
_LONG = (b"\xe8" * 250 + b".txt", b"\xe9" * 250 + b".txt")


def test_no_two_files_of_a_job_get_one_name_in_its_artifacts(tmp_path: Path) -> None:
    """Later jobs got one of them, and clients could not unpack the archive."""
    work, folder = tmp_path / "work", tmp_path / "folder"
    folder.mkdir()
    for name in (*_TWINS, *_LONG):
        path = work / "out" / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name)
    trace = Trace(folder / "trace", secrets=[], limit=1000)
    keep = {"when": "on_success", "paths": ["out"], "junit": [], "dotenv": []}
    ArtifactCollector(work, folder, trace, limit=1 << 20).collect(keep, {"reason": None})
    trace.close()
    with zipfile.ZipFile(folder / "artifacts.zip") as packed:
        packed.extractall(tmp_path / "unpacked")

    unpacked = tmp_path / "unpacked" / "out"
    assert {path.read_bytes() for path in unpacked.rglob("*") if path.is_file()} == {*_TWINS, *_LONG}
    assert (unpacked / "a\ufffd.txt").read_bytes() == "a\ufffd.txt".encode()
    assert len({path.parent for path in unpacked.rglob("[xy]") if path.read_bytes().startswith(b"d\xff")}) == 1


def test_names_and_texts_of_a_report_are_cut() -> None:
    long = "x" * 30_000
    case = f'<testcase name="{long}" classname="{long}"><failure>{long}</failure></testcase>'
    (suite,) = junit_reports.read(f'<testsuite name="{long}">{case}</testsuite>'.encode())

    assert len(json.dumps(suite)) < 25_000


def _zip(**fields: int) -> bytes:
    """A zip of one file, with fields of its directory's entry changed: its method or its flags."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        packed.writestr("out/a.txt", "text")
    text = bytearray(made.getvalue())
    for where, value in {"flags": 8, "method": 10}.items():
        if where in fields:
            for start in (text.find(b"PK\1\2") + value, text.find(b"PK\3\4") + value - 2):
                text[start : start + 2] = fields[where].to_bytes(2, "little")
    return bytes(text)


@pytest.mark.parametrize("text", [b"", b"nonsense", _zip()[:-5], _zip(method=99), _zip(flags=1), _zip(flags=0x800 | 1)])
def test_an_archive_that_cannot_be_read_is_said(odd_service: Service, job: Callable[..., int], text: bytes) -> None:
    number = job({"out/a.txt": "x"})
    (odd_service.data / "jobs" / str(number) / "artifacts.zip").write_bytes(text)

    assert _page(odd_service, f"jobs/{number}").status_code == 200
    assert odd_service.ask("GET", f"/jobs/{number}/artifacts/out/a.txt").status_code == 404
    for path in ("files", "package"):
        assert _page(odd_service, f"jobs/{number}/{path}/out/a.txt").status_code == 404
    assert _page(odd_service, f"jobs/{number}/notebook/out/a.txt").status_code in {200, 404}


def test_an_archive_of_too_many_files_is_not_listed(
    odd_service: Service, job: Callable[..., int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    number = job({"out/a.txt": "x"})
    with zipfile.ZipFile(odd_service.data / "jobs" / str(number) / "artifacts.zip", "w") as packed:
        for n in range(80_000):
            packed.writestr(f"out/{n}/{'long' * 20}", "")
    page = _page(odd_service, f"jobs/{number}")
    assert page.status_code == 200
    assert "The files are not listed" in page.text
    assert odd_service.ask("GET", f"/jobs/{number}/artifacts").status_code == 200

    with zipfile.ZipFile(tmp_path / "few.zip", "w") as packed:
        packed.writestr("a", "x")
    monkeypatch.setattr(archives, "_LARGEST_DIRECTORY", 10)
    assert not Archive(tmp_path / "few.zip").is_listed()


def test_names_that_occur_twice_do_no_harm(tmp_path: Path) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        warnings.simplefilter("ignore")
        packed.writestr("a", "one")
        packed.writestr("a", "two")

    assert Archive(tmp_path / "a.zip").read("a") == b"two"


@pytest.mark.parametrize("line", ["PACKMILL_PACKAGE=" + "../" * 2000, "PACKMILL_IMAGE=\\xff<b>", "A=" + "x" * 3000])
def test_odd_variables_of_a_job_are_shown_as_text(odd_service: Service, job: Callable[..., int], line: str) -> None:
    number = job({}, f"printf '{line}\\n' > made.env")

    for path in ("packages", "pipelines", f"jobs/{number}"):
        assert _page(odd_service, path).status_code == 200


def test_packages_of_an_archive_that_could_not_be_read_once_are_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many files may be open for a moment; the packages would be missing until the service starts again."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(f"{_FOLDER}/package.json", json.dumps(_PARTS))
        packed.writestr(f"{_FOLDER}/process.cwl", "")

    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as full:
        full.setattr(archives, "_sizes", refuse)
        assert archives.list_packages(tmp_path / "a.zip") == ()
    assert [entry.folder for entry in archives.list_packages(tmp_path / "a.zip")] == [_FOLDER]
