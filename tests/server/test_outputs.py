"""Files of runs over HTTP: the list, ranges of bytes, media types, and the archive of all."""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import json
import math
import os
import resource
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Request
from notebook_server import NotebookServer
from support import write_notebook

from generator.runner.results.folder import write_result
from generator.runner.server import app as application
from generator.runner.server.api import output_files
from generator.runner.server.ogc import raw
from generator.runner.server.ogc.document import results_document
from generator.runner.server.ogc.kept_requests import keep_request, read_request
from generator.runner.server.ogc.request import ResultsRequest
from generator.runner.server.ogc.results import Result, ResultFile
from generator.runner.server.runs.archive import zip_stream
from generator.runner.server.runs.folder import RunFolder, UnreadableRecordError, run_folder
from generator.runner.server.runs.model import RunState
from generator.runner.server.workers.warm_execution import outcome_of

WRITE = (
    "import os\n"
    "os.makedirs('plots')\n"
    "open('plots/a b&c.png', 'wb').write(bytes(range(256)))\n"
    "open('page.html', 'w').write('<script>alert(1)</script>')\n"
    "open('table.csv', 'w').write('a,b')\n"
    "open('table.csv.gz', 'wb').write(b'packed')\n"
    "open('data.unknown', 'wb').write(b'x')\n"
    "os.symlink('/etc/hostname', 'link.txt')"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("outputs")
    write_notebook(folder / "root" / "write.ipynb", "x = 1", WRITE)
    running = NotebookServer(folder / "root", folder / "data").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def run(server: NotebookServer) -> Any:
    return server.run("write.ipynb")


def test_outputs_are_listed_with_sizes_digests_and_media_types(server: NotebookServer, run: Any) -> None:
    listed = {one["path"]: one for one in server.get(f"/runs/{run['run']['id']}/outputs/")["outputs"]}

    picture = listed["plots/a b&c.png"]
    assert (picture["size"], picture["media_type"]) == (256, "image/png")
    assert picture["sha256"] == hashlib.sha256(bytes(range(256))).hexdigest()
    kinds = {path: one["media_type"] for path, one in listed.items()}
    assert kinds["table.csv"] == "text/csv"
    assert kinds["table.csv.gz"] == "application/gzip"
    assert kinds["data.unknown"] == "application/octet-stream"
    assert run["outputs"] == list(listed.values())


def test_every_listed_address_has_the_file(server: NotebookServer, run: Any) -> None:
    for one in server.get(f"/runs/{run['run']['id']}/outputs/")["outputs"]:
        answer = server.ask("GET", one["href"])
        assert (answer.status_code, len(answer.content)) == (200, one["size"])
        assert answer.headers["Content-Type"].partition(";")[0] == one["media_type"]
        digest = base64.b64encode(hashlib.sha256(answer.content).digest()).decode()
        assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"


@pytest.mark.parametrize(
    ("ranges", "status", "content"),
    [
        ("bytes=2-4", 206, b"\x02\x03\x04"),
        ("bytes=254-", 206, b"\xfe\xff"),
        ("bytes=-1", 206, b"\xff"),
        ("bytes=300-", 416, None),
        ("lines=1-2", 400, None),
    ],
)
def test_ranges_of_bytes(server: NotebookServer, run: Any, ranges: str, status: int, content: bytes | None) -> None:
    address = f"/runs/{run['run']['id']}/outputs/plots/a%20b%26c.png"
    answer = server.ask("GET", address, headers={"Range": ranges})

    assert answer.status_code == status
    assert content is None or answer.content == content


def test_the_head_of_a_file_has_its_size(server: NotebookServer, run: Any) -> None:
    answer = server.ask("HEAD", f"/runs/{run['run']['id']}/outputs/table.csv")

    assert (answer.status_code, answer.headers["Content-Length"], answer.content) == (200, "3", b"")


def test_pages_of_notebooks_have_no_scripts(server: NotebookServer, run: Any) -> None:
    answer = server.ask("GET", f"/runs/{run['run']['id']}/outputs/page.html")

    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_archive_has_all_outputs(server: NotebookServer, run: Any) -> None:
    answer = server.ask("GET", f"/runs/{run['run']['id']}/outputs.zip")

    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {entry.filename: entry.file_size for entry in archive.infolist()} == {
            one["path"]: one["size"] for one in run["outputs"]
        }
        assert archive.read("plots/a b&c.png") == bytes(range(256))


@pytest.mark.parametrize("path", ["missing", "..%2finputs.json", "%2e%2e/log.txt", "plots", "a%00b", "x" * 5000])
def test_other_paths_are_not_found(server: NotebookServer, run: Any, path: str) -> None:
    assert server.ask("GET", f"/runs/{run['run']['id']}/outputs/{path}").status_code in (400, 404)


def test_files_of_a_run_that_was_killed_are_listed(server: NotebookServer, run: Any) -> None:
    [folder] = server.data.glob(f"runs/*/{run['run']['id']}")
    odd = folder / "output" / os.fsdecode(b"x\xff.txt")
    result = (folder / "output" / "result.json").rename(folder / "kept.json")
    odd.write_text("x")
    try:
        listed = server.get(f"/runs/{run['run']['id']}/outputs/")["outputs"]
    finally:
        odd.unlink()
        result.rename(folder / "output" / "result.json")

    assert {"plots/a b&c.png", "table.csv"} <= {one["path"] for one in listed}
    assert listed[-1]["href"].endswith(("/x%FF.txt", ".png"))


@pytest.mark.parametrize(
    "record",
    [
        {"outputs": [1, {"size": 2}, {"path": 5}, {"path": "table.csv", "sha256": "z"}]},
        {"outputs": [{"path": name, "size": size} for name, size in (("a.png", "abc"), ("b.png", [1]), ("c.png", -1))]},
        {"outputs": {"path": "table.csv"}, "cells": 5, "parameters": [1], "notebook": 7},
        {"cells": [1], "notebook": "../../../../../../../../../../../../../../../../etc/hostname"},
        {
            "peak_memory": "abc",
            "duration": "x",
            "kernel": [1],
            "delivered": "\ud800",
            "status_code": "abc",
            "error": {},
        },
        {
            "outputs": [{"path": "../../../run/x.ipynb"}, {"path": "\ud800"}, {"path": "\udcff.txt"}],
            "notebook": "../../../run/x.ipynb",
        },
        [],
    ],
)
def test_a_record_that_the_notebook_wrote_itself_is_no_unexpected_error(server: NotebookServer, record: object) -> None:
    run = server.run("write.ipynb")["run"]["id"]
    (result,) = server.data.glob(f"runs/*/{run}/output/result.json")
    result.write_text(json.dumps(record))

    for path in ("/result", ".html", "/outputs/", "/outputs.zip", "/outputs/table.csv"):
        assert server.ask("GET", f"/runs/{run}{path}").status_code == 200
    assert server.ask("GET", f"/runs/{run}/notebook").status_code == 404
    assert "/../" not in server.ask("GET", f"/runs/{run}.html").text


@pytest.mark.parametrize(
    "path",
    ["../../../run/x.ipynb", "..", "a/../../b", "/run/x.ipynb", "//example.org/x", "", "a//b", "a/", "\0", "\ud800"],
)
def test_a_record_lists_only_files_below_the_outputs(path: str, tmp_path: Path) -> None:
    """A browser shortens the address of a link, which would lead to another page, such as one that runs a notebook."""
    folder = RunFolder(tmp_path)
    folder.output.mkdir()
    listed = [{"path": path}, {"path": "a/..b.png"}, {"path": os.fsdecode(b"\xff")}]
    (folder.output / "result.json").write_text(json.dumps({"outputs": listed}))

    assert folder.read_result()["outputs"] == listed[1:]


@pytest.mark.parametrize("value", ["abc", [1], True, -1, 1e999, math.nan, 2**64])
@pytest.mark.parametrize("name", ["peak_memory", "status_code", "duration"])
def test_a_figure_of_a_record_is_one(name: str, value: object, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.output.mkdir()
    for given, expected in ((value, {}), (200, {name: 200}), (None, {name: None})):
        (folder.output / "result.json").write_text(json.dumps({name: given}))
        assert folder.read_result() == expected


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "endless device"])
def test_a_record_of_another_kind_of_file_is_not_waited_for(
    make: Callable[[Path], None], server: NotebookServer
) -> None:
    """Handlers read it in the event loop: nobody else would be answered."""
    run = server.run("write.ipynb")["run"]["id"]
    (result,) = server.data.glob(f"runs/*/{run}/output/result.json")
    result.unlink()
    make(result)

    assert server.ask("GET", f"/runs/{run}/result").json()["run"]["id"] == run
    assert {one["path"] for one in server.ask("GET", f"/runs/{run}/outputs/").json()["outputs"]} >= {"table.csv"}
    assert server.ask("GET", "/health").status_code == 200


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "endless device"])
def test_no_other_kind_of_file_in_a_run_s_folder_is_waited_for(make: Callable[[Path], None], tmp_path: Path) -> None:
    """A notebook reaches the folder above its own; requests for results and with an idempotency key read it."""
    folder = RunFolder(tmp_path)
    make(tmp_path / "ogc.json")
    make(tmp_path / "fingerprint")

    assert read_request(folder) == ResultsRequest(response="document")
    assert folder.read_fingerprint() is None


@pytest.mark.parametrize(
    "kept", ["[]", "1", '{"outputs": [1]}', '{"outputs": {"a": {}}}', '{"response": []}', '{"response": "x"}', "\xff"]
)
def test_a_request_for_results_that_the_notebook_wrote_is_no_unexpected_error(kept: str, tmp_path: Path) -> None:
    (tmp_path / "ogc.json").write_text(kept, encoding="latin-1")
    (tmp_path / "fingerprint").write_bytes(b"\xff" * 10_000)
    folder = RunFolder(tmp_path)

    assert read_request(folder) == ResultsRequest(response="document")
    assert folder.read_fingerprint() is not None


def test_a_request_for_results_is_read_as_it_was_kept(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for kept in (ResultsRequest(), ResultsRequest(outputs={"a": "reference"}, response="raw")):
        keep_request(folder, kept)
        assert read_request(folder) == kept


def test_a_result_that_grows_counts_with_the_size_that_it_had_when_it_was_opened() -> None:
    """A program that the notebook left behind can go on with it; files of the kernel have no size, but content."""
    assert document_of(Path("/proc/self/maps")) == {"value": "", "mediaType": "text/plain"}


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd")], ids=["pipe", "link"])
def test_what_takes_the_place_of_a_result_is_not_read(make: Callable[[Path], None], tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    make(file)

    assert document_of(file)["href"] == "/a.txt"
    with pytest.raises(OSError, match=r"not a regular file|symbolic links"):
        next(raw._read(file))


@pytest.mark.parametrize("send", [raw._read, lambda path: zip_stream([("a", path)])], ids=["file", "archive"])
def test_a_result_that_grows_while_it_is_sent_ends(send: Callable[[Path], Iterator[bytes]], tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(bytes(1000))
    sent = 0

    for piece in send(file):
        sent += len(piece)
        assert sent < 2000
        with file.open("ab") as more:
            more.write(bytes(1000))

    assert sent >= 1000


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd")], ids=["pipe", "link"])
def test_an_archive_has_nothing_that_takes_the_place_of_a_file(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "a")

    with pytest.raises(OSError, match=r"not a regular file|symbolic links"):
        list(zip_stream([("a", tmp_path / "a")]))


def document_of(file: Path) -> Any:
    addresses: Any = SimpleNamespace(output_file=lambda _, relative: f"/{relative}")
    result = Result(id="a", files=(ResultFile(path=file, relative="a.txt"),))
    return results_document("run", [result], addresses)["a"]


def test_the_digest_of_a_file_is_that_of_the_record_as_it_is_now(tmp_path: Path) -> None:
    """It is kept for further files of the run, which may be very many."""
    folder = RunFolder(tmp_path)
    folder.output.mkdir()
    for digest in ("0" * 64, "1" * 64):
        write_result(folder.output / "result.json", json.dumps({"outputs": [{"path": "a", "sha256": digest}]}).encode())
        assert output_files.digests_of(folder) == {"a": digest}
    (folder.output / "result.json").unlink()
    assert output_files.digests_of(folder) == {}


@contextmanager
def no_file_left() -> Iterator[None]:
    """Let this process open no further file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_record_that_cannot_be_read_now_is_not_an_empty_one(tmp_path: Path) -> None:
    """Clients would get success without results, and ``result.json`` be replaced by the fields that change."""
    folder = RunFolder(tmp_path)
    folder.output.mkdir()
    assert (folder.read_scraps(), folder.read_output_object()) == ({}, {})
    record = folder.output / "result.json"
    for path in (record, folder.output / "scraps.json", folder.path / "cwl.output.json"):
        path.write_text('{"parameters": {"x": 1}}')

    for act in (folder.read_result, folder.read_scraps, folder.read_output_object, partial(folder.update_result, a=1)):
        with no_file_left(), pytest.raises(UnreadableRecordError) as raised:
            act()
        assert raised.value.errno == errno.EMFILE
    with no_file_left():
        outcome = outcome_of(lambda: None, folder)

    assert record.read_text() == '{"parameters": {"x": 1}}'
    assert outcome.state is RunState.FAILED
    answer = application._handle_unreadable_record(Request({"type": "http", "path": "/", "headers": []}), raised.value)
    assert answer.status_code == 503
    assert "Retry-After" not in answer.headers  # the request may have run the notebook


def test_scraps_that_are_too_large_for_an_answer_are_not_answered_as_none(server: NotebookServer) -> None:
    run_id = server.run("write.ipynb")["run"]["id"]
    os.truncate(run_folder(server.data, run_id).output / "scraps.json", (256 << 20) + 1)

    answer = server.ask("GET", f"/runs/{run_id}/result")

    assert answer.status_code == 422
    assert "scraps.json of the run is too large" in answer.json()["detail"]


def test_a_file_that_is_removed_while_the_files_are_listed_is_left_out(tmp_path: Path) -> None:
    """A notebook that runs removes its files."""
    for name in "ab":
        (tmp_path / name).touch()
    found = output_files._walk(tmp_path)
    first = next(found)
    (tmp_path / "b").unlink()

    assert [first, *found] == [{"path": "a", "size": 0}]


def test_a_file_of_a_run_that_is_removed_in_mid_request_is_not_found_and_others_are_unexpected(tmp_path: Path) -> None:
    app = SimpleNamespace(state=SimpleNamespace(context=SimpleNamespace(data=tmp_path)))
    request = Request({"type": "http", "method": "GET", "path": "/runs/a", "headers": [], "app": app})
    missing = FileNotFoundError(2, "No such file", str(tmp_path / "runs" / "ab" / "abc" / "result.json"))

    assert application._handle_missing_file(request, missing).status_code == 404
    with pytest.raises(FileNotFoundError):
        application._handle_missing_file(request, FileNotFoundError(2, "No such file", "/etc/missing"))
