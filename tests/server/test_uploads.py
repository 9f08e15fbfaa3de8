"""Files that callers send: uploads, contents in JSON, archives; and the paths and addresses that they may not name."""

from __future__ import annotations

import asyncio
import base64
import errno
import io
import json
import socket
import stat
import struct
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from notebook_server import NotebookServer
from support import notebook as notebook_of
from support import write_notebook
from waiting import wait_until

from generator.notebook.interface import Interface
from generator.notebook.interface_reading import read_interface
from generator.notebook.literals import MisfitError
from generator.notebook.notebook import read_notebook
from generator.runner.server.context import Limits
from generator.runner.server.ogc.inputs import input_object
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.submission import _write_files
from generator.runner.server.values import room
from generator.runner.server.values.archives import unpack, unpack_in_place
from generator.runner.server.values.caller_files import NewFile, Upload, read_values
from generator.runner.server.values.file_rules import FileRules
from generator.runner.server.values.multipart import Part, read_parts
from generator.runner.server.values.request import values_of_parts
from generator.runner.server.values.room import Room
from generator.shared.damaged_archives import is_damage

GLUE = "from packmill import glue\n"
FILE = "data = 'data/own.csv'  # type: stage-in\nfactor: int = 2"
READ = f"{GLUE}glue('text', open(data).read())\nglue('path', data)\nglue('factor', factor)"
FOLDER = "folder = 'data/'  # type: stage-in"
WALK = (
    f"{GLUE}from pathlib import Path\n"
    "found = [path for path in sorted(Path(folder).rglob('*')) if path.is_file()]\n"
    "glue('files', {path.relative_to(folder).as_posix(): path.read_text() for path in found})"
)
LIST = "files = ['data/own.csv']  # type: stage-in"
READ_ALL = f"{GLUE}from pathlib import Path\nglue('files', {{Path(p).name: open(p).read() for p in files}})"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("uploads")
    root = folder / "root"
    write_notebook(root / "file.ipynb", FILE, READ)
    write_notebook(root / "folder.ipynb", FOLDER, WALK)
    write_notebook(root / "fails.ipynb", FILE, "raise ValueError(f'cannot use {data!r}')")
    write_notebook(root / "files.ipynb", LIST, READ_ALL)
    write_notebook(root / "any.ipynb", "settings: dict = {}", f"{GLUE}glue('settings', settings)")
    write_notebook(
        root / "object.ipynb", "data = {'class': 'File', 'path': 'data/own.csv'}  # type: stage-in", READ_OBJECT
    )
    for name, text in {"own.csv": "own", "open.csv": "open", ".hidden.csv": "hidden", "closed.txt": "closed"}.items():
        (root / "data").mkdir(exist_ok=True)
        (root / "data" / name).write_text(text)
    (folder / "outside.csv").write_text("outside")
    (root / "data" / "link.csv").symlink_to(folder / "outside.csv")
    running = NotebookServer(root, folder / "data", "--readable", "data/*.csv", "--max-upload", "2M").start()
    yield running
    running.stop()


READ_OBJECT = f"{GLUE}glue('text', open(data['path']).read())\nglue('given', data)"


def upload(server: NotebookServer, notebook: str, files: Any, **fields: Any) -> Any:
    answer = server.ask("POST", f"/notebooks/{notebook}/runs?wait=60", files=files, data=fields)
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "succeeded", answer.text
    return answer.json()


def folders(server: NotebookServer) -> list[Path]:
    return [path for path in (server.data / "runs").glob("*/*") if path.is_dir()]


def test_a_notebook_reads_an_uploaded_file_by_its_name(server: NotebookServer) -> None:
    result = upload(server, "file.ipynb", {"data": ("täble 1.csv", b"a,b\n1,2\n")}, factor="3")

    assert result["scraps"]["text"] == "a,b\n1,2\n"
    assert result["scraps"]["path"].endswith("/täble 1.csv")
    assert result["scraps"]["factor"] == 3


@pytest.mark.parametrize("way", ["form", "json"])
def test_an_idempotency_key_with_a_file_of_another_content_is_refused(server: NotebookServer, way: str) -> None:
    """A table of the same name and size was answered with the run of the first one."""

    def ask(content: str) -> Any:
        data = {"class": "File", "basename": "d.csv", "contents": content}
        body: Any = {"files": {"data": ("d.csv", content)}} if way == "form" else {"json": {"data": data}}
        return server.ask("POST", "/notebooks/file.ipynb/runs", headers={"Idempotency-Key": way}, **body)

    first, again, other = (ask(content) for content in ("1,2", "1,2", "9,9"))

    assert (first.status_code, other.status_code) == (202, 422), first.text
    assert again.headers["Location"] == first.headers["Location"]


def test_uploads_are_removed_after_the_run_and_no_result(server: NotebookServer) -> None:
    result = upload(server, "file.ipynb", {"data": ("x.csv", b"x")})
    folder = next(path for path in folders(server) if path.name == result["run"]["id"])

    assert sorted(path.name for path in folder.rglob("x.csv")) == []
    assert [one["path"] for one in result["outputs"] if "x.csv" in one["path"]] == []


@pytest.mark.parametrize(
    ("notebook", "name", "files", "shown"),
    [
        ("file.ipynb", "data", [("täble 1.csv", b"x")], "täble 1.csv"),
        ("files.ipynb", "files", [("a.csv", b"1"), ("b.csv", b"2")], ["a.csv", "b.csv"]),
        ("folder.ipynb", "folder", [("a.csv", b"1"), ("sub/b.csv", b"2")], "folder/"),
        (
            "object.ipynb",
            "data",
            [("x.csv", b"abc")],
            {"class": "File", "path": "x.csv", "basename": "x.csv", "size": 3},
        ),
    ],
)
def test_a_result_names_files_as_the_client_did(
    server: NotebookServer, notebook: str, name: str, files: list[tuple[str, bytes]], shown: Any
) -> None:
    result = upload(server, notebook, [(name, file) for file in files])

    run = result["run"]["id"]
    assert result["parameters"] == {name: shown}
    assert server.get(f"/runs/{run}/outputs/result.json")["parameters"] == {name: shown}


def test_a_file_of_the_served_folder_is_named_as_the_client_did(server: NotebookServer) -> None:
    file = {"class": "File", "path": "data/open.csv"}

    result = server.run("any.ipynb", settings={"files": [file]})

    assert result["scraps"]["settings"]["files"][0]["path"] == str(server.root / "data/open.csv")
    assert result["parameters"] == {"settings": {"files": [file]}}


def test_an_error_about_an_upload_names_it_as_the_client_did(server: NotebookServer) -> None:
    text = {"class": "File", "contents": "x", "basename": "a b.csv"}
    answer = server.run("fails.ipynb", data=text)

    assert answer["error"].startswith("cell 2 failed: ValueError: cannot use 'a b.csv'")
    assert answer["run"]["error"].startswith("cell 2 failed: ValueError: cannot use 'a b.csv'")


def test_a_form_of_runs_has_the_notebook_and_the_rest_as_json(server: NotebookServer) -> None:
    fields = {"notebook": "file.ipynb", "request": json.dumps({"parameters": {"factor": 7}})}
    answer = server.ask("POST", "/runs?wait=60", files={"data": ("x.csv", b"x")}, data=fields)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["scraps"]["text"], answer.json()["scraps"]["factor"]) == ("x", 7)


def test_texts_that_javascript_sends_as_blobs_are_texts(server: NotebookServer) -> None:
    blobs = {"factor": ("blob", "7", "text/plain"), "data": ("x.csv", b"x", "text/plain")}
    assert upload(server, "file.ipynb", blobs)["scraps"]["factor"] == 7
    settings = {"settings": ("blob", '{"a": [1]}', "application/json")}
    assert upload(server, "any.ipynb", settings)["scraps"]["settings"] == {"a": [1]}
    request = {"request": ("blob", '{"notebook": "file.ipynb", "parameters": {"factor": 8}}', "application/json")}
    assert server.ask("POST", "/runs?wait=60", files=request).json()["scraps"]["factor"] == 8

    binary = server.ask("POST", "/notebooks/file.ipynb/runs", files={"factor": ("blob", b"7", "image/png")})
    assert (binary.status_code, "factor is not a file" in binary.text) == (400, True)


@pytest.mark.parametrize("content", [b"Every <day>", b"\xff", b"x" * 1_100_000], ids=["text", "no text", "too large"])
def test_fields_of_a_page_that_are_sent_as_files_are_shown_again(server: NotebookServer, content: bytes) -> None:
    files = {"schedule-title": ("blob", content, "text/plain")}
    for path in ("/notebooks/file.ipynb", "/notebooks/file.ipynb/schedule"):
        answer = server.ask("POST", path, files=files, headers={"Accept": "text/html"})

        assert answer.status_code == 400, answer.text
        assert ('value="Every &lt;day&gt;"' in answer.text) == (content == b"Every <day>")


def test_a_form_without_files_is_enough(server: NotebookServer) -> None:
    answer = server.ask("POST", "/runs?wait=60", data={"notebook": "file.ipynb", "factor": "5"})
    assert (answer.json()["scraps"]["text"], answer.json()["scraps"]["factor"]) == ("own", 5)


def test_the_parameters_alone_start_a_run_of_a_notebook(server: NotebookServer) -> None:
    answer = server.ask("POST", "/notebooks/file.ipynb/runs?wait=60", json={"factor": 4})
    assert answer.json()["scraps"]["factor"] == 4


def test_several_uploads_of_a_field_are_a_list(server: NotebookServer) -> None:
    files = [("files", ("a.csv", b"1")), ("files", ("b.csv", b"2"))]
    assert upload(server, "files.ipynb", files)["scraps"]["files"] == {"a.csv": "1", "b.csv": "2"}
    assert upload(server, "files.ipynb", files[:1])["scraps"]["files"] == {"a.csv": "1"}


def test_uploads_of_a_folder_keep_their_paths(server: NotebookServer) -> None:
    files = [("folder", ("a.csv", b"1")), ("folder", ("sub/b.csv", b"2"))]
    assert upload(server, "folder.ipynb", files)["scraps"]["files"] == {"a.csv": "1", "sub/b.csv": "2"}


def archive(*entries: tuple[str | zipfile.ZipInfo, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, text in entries:
            opened.writestr(name, text)
    return buffer.getvalue()


def test_a_zip_archive_is_a_folder(server: NotebookServer) -> None:
    packed = archive(("a.csv", "1"), ("sub/b.csv", "2"), ("__MACOSX/._a.csv", "x"))

    result = upload(server, "folder.ipynb", {"folder": ("f.zip", packed)})
    assert result["scraps"]["files"] == {"a.csv": "1", "sub/b.csv": "2"}

    contents = {"class": "Directory", "contents": base64.b64encode(packed).decode(), "encoding": "base64"}
    assert server.run("folder.ipynb", folder=contents)["scraps"]["files"] == {"a.csv": "1", "sub/b.csv": "2"}


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    ("packed", "what"),
    [
        (b"no archive", "not a ZIP archive"),
        (archive(("../up.csv", "1")), "is another folder"),
        (archive(("/etc/x", "1")), "is empty"),
        (archive(("a\\b", "1")), "is a path"),
        (archive((entry("l", stat.S_IFLNK | 0o777), "/etc/passwd")), "not a regular file"),
        (archive(("a", "1"), ("a/b", "2")), "two entries"),
        (archive(("big", "0" * 3_000_000)), "larger than this server takes"),
        (archive(("a", "1"))[:-30], "not a ZIP archive"),
    ],
    ids="text up absolute backslash link collision bomb cut".split(),
)
def test_hostile_archives_are_refused(server: NotebookServer, packed: bytes, what: str) -> None:
    before = folders(server)
    answer = server.ask("POST", "/notebooks/folder.ipynb/runs", files={"folder": ("f.zip", packed)})

    assert answer.status_code == 400
    assert what in answer.text
    assert folders(server) == before


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_archive_of_any_method_is_refused(method: int, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as opened:
        opened.writestr("a", bytes(range(256)))
    damaged = bytearray(packed.getvalue())
    damaged[40:60] = b"\xff" * 20  # in the compressed content

    with pytest.raises(ProblemError, match=r"^400: .*is not a ZIP archive that can be read"):
        _write_files(RunFolder(tmp_path), [NewFile(tmp_path / "x", bytes(damaged), archive=True)], limit=1_000)


@pytest.mark.parametrize("field", ["the size of the directory", "its offset", "the offset of a file"])
def test_an_archive_whose_offsets_are_wrong_is_refused(field: str, tmp_path: Path) -> None:
    """Python's zipfile reads before the beginning of the file then, or adds numbers of 64 bits to larger ones."""
    packed = bytearray(archive(("a", "1")))
    end = packed.rindex(b"PK\5\6")
    place = {"the size of the directory": end + 12, "its offset": end + 16}.get(field, packed.rindex(b"PK\1\2") + 42)
    packed[place : place + 4] = b"\xf0\xff\xff\xff"

    with pytest.raises(ProblemError, match=r"^400: .*is not a ZIP archive that can be read"):
        _write_files(RunFolder(tmp_path), [NewFile(tmp_path / "x", bytes(packed), archive=True)], limit=1_000)


@pytest.mark.parametrize("error", [OSError(errno.EINVAL, "Invalid argument"), OverflowError("too large for a C long")])
def test_numbers_that_no_file_has_are_damage_of_an_archive(error: Exception) -> None:
    assert is_damage(error)


def test_a_disk_that_is_full_is_no_damage_of_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Room, "take_bytes", fail)
    with pytest.raises(OSError, match="No space left"):
        _write_files(RunFolder(tmp_path), [NewFile(tmp_path / "x", archive(("a", "1")), archive=True)], limit=1_000)


@pytest.mark.parametrize(
    "name", ["../x.csv", "/etc/x", "a/../../x", "..", ".", "a\\b", "a\x01b", "\u202etxt.csv", " x", "x" * 300, "a//b"]
)
def test_file_names_that_are_not_plain_are_refused(server: NotebookServer, name: str) -> None:
    before = folders(server)
    body = (
        b'--b\r\nContent-Disposition: form-data; name="data"; filename="' + name.encode() + b'"\r\n\r\nx\r\n--b--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = server.ask("POST", "/notebooks/file.ipynb/runs", data=body, headers=headers)

    assert answer.status_code == 400, answer.text
    assert "file name" in answer.text
    assert folders(server) == before


@pytest.mark.parametrize(
    ("notebook", "files", "what"),
    [
        ("files.ipynb", [("files", ("a", b"1")), ("files", ("a", b"2"))], "two files have the name"),
        ("file.ipynb", [("data", ("a", b"1")), ("data", ("b", b"2"))], "a list"),
        ("file.ipynb", [("factor", ("a", b"1"))], "factor is not a file"),
        ("file.ipynb", [("dato", ("a", b"1"))], "dato"),
        ("missing.ipynb", [("data", ("a", b"1"))], "not found"),
    ],
)
def test_uploads_that_do_not_fit_leave_nothing(server: NotebookServer, notebook: str, files: Any, what: str) -> None:
    before = folders(server)
    answer = server.ask("POST", f"/notebooks/{notebook}/runs", files=files)

    assert answer.status_code in (400, 404)
    assert what in answer.text
    assert folders(server) == before


def test_a_file_field_in_which_nothing_was_chosen_is_not_given(server: NotebookServer) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="data"; filename=""\r\n\r\n\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = server.ask("POST", "/notebooks/file.ipynb/runs?wait=60", data=body, headers=headers)

    assert answer.json()["scraps"]["text"] == "own"


def test_an_upload_beyond_the_limit_is_refused_and_removed(server: NotebookServer) -> None:
    before = folders(server)
    answer = server.ask("POST", "/notebooks/file.ipynb/runs", files={"data": ("x", b"x" * 3_000_000)})

    assert answer.status_code == 413
    assert folders(server) == before


def test_an_archive_that_unpacks_to_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    bomb.write_bytes(archive(("a", "0" * 900_000), ("b", "0" * 900_000)))

    with pytest.raises(MisfitError, match="larger than this server takes"):
        unpack_in_place(bomb, Room(1_000_000))
    assert list(tmp_path.iterdir()) == []


def directory_of(number: int, comment: bytes, *, zip64: bool) -> bytes:
    """Return an archive that is a list of files alone: entries of one name, without content."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", *[0] * 11, 1, 0, len(comment), *[0] * 4) + b"a" + comment
    listed = entry * number
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, number & 0xFFFF, number & 0xFFFF, len(listed), 0, 0)
    if not zip64:
        return listed + end
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, number, number, len(listed), 0)
    return listed + record + struct.pack("<4sLQL", b"PK\6\7", 0, len(listed), 1) + end[:12] + b"\xff" * 8 + b"\0\0"


@pytest.mark.parametrize("zip64", [False, True], ids=["zip", "zip64"])
@pytest.mark.parametrize("is_file", [True, False], ids=["upload", "JSON"])
@pytest.mark.parametrize(
    ("number", "comment", "what"),
    [(40_001, b"", "more than 10000 files"), (300, b"c" * 60_000, "more than 16777216 bytes")],
    ids=["entries", "bytes"],
)
def test_the_list_of_an_archive_s_files_is_not_read_beyond_its_limits(
    number: int, comment: bytes, what: str, is_file: bool, zip64: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gibibyte of entries would be ten in memory."""
    monkeypatch.setattr(zipfile, "ZipInfo", lambda *_: pytest.fail("an entry was read"))
    packed = directory_of(number, comment, zip64=zip64)
    (tmp_path / "packed.zip").write_bytes(packed)

    with pytest.raises(MisfitError, match=what):
        unpack(tmp_path / "packed.zip" if is_file else io.BytesIO(packed), tmp_path / "folder", Room(1_000_000))


def test_an_archive_of_files_that_are_archives_is_unpacked(tmp_path: Path) -> None:
    """Their contents have the marks of entries, which count in the list of the archive's own files alone."""
    content = b"PK\1\2" * 50_000
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as packed:
        packed.writestr("a", content)
    unpack(tmp_path / "packed.zip", tmp_path / "folder", Room(1_000_000))

    assert (tmp_path / "folder" / "a").read_bytes() == content


def interface_of(cell: str) -> Interface:
    return read_interface(read_notebook(json.dumps(notebook_of(cell)).encode(), "n.ipynb"))


def deep(number: int) -> str:
    """Return a path of 450 folders that no other number shares."""
    return f"{number}/" + "a/" * 449 + "x"


def test_folders_of_an_archive_count_as_its_files_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_ENTRIES", 1000)
    packed = tmp_path / "deep.zip"
    packed.write_bytes(archive(*((deep(number), "") for number in range(3))))

    with pytest.raises(MisfitError, match="more than 1000 files and folders"):
        unpack_in_place(packed, Room(1_000_000))
    assert list(tmp_path.iterdir()) == []


def test_files_of_all_archives_of_a_request_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_ENTRIES", 10)
    shared = Room(1_000_000)
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    for packed in (first, second):
        packed.write_bytes(archive(*((str(number), "") for number in range(6))))

    unpack_in_place(first, shared)

    with pytest.raises(MisfitError, match="more than 10 files and folders"):
        unpack_in_place(second, shared)


def test_folders_of_the_files_of_a_form_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_ENTRIES", 1000)

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(3):
            yield f'--b\r\nContent-Disposition: form-data; name="x"; filename="{deep(number)}"\r\n\r\n\r\n'.encode()
        yield b"--b--\r\n"

    with pytest.raises(ProblemError, match="more than 1000 files and folders"):
        asyncio.run(read_parts(chunks(), b"b", tmp_path, texts=10**6, limit=10**6))


def test_folders_of_listings_count() -> None:
    def nested(depth: int) -> dict[str, Any]:
        inner = nested(depth - 1) if depth else {"class": "File", "basename": "x", "contents": ""}
        return {"class": "Directory", "basename": "a", "listing": [inner]}

    listing = [{**nested(40), "basename": str(number)} for number in range(250)]
    rules = FileRules(root=Path("/served"))
    interface = interface_of(FOLDER)
    read = read_values(
        {"folder": {"class": "Directory", "listing": listing}},
        interface,
        notebook="a.ipynb",
        uploads=Path("/uploads"),
        rules=rules,
    )

    assert "more than 10000 files and folders" in read.issues["folder"]


BOMBS = {name: archive(("x", "0" * 600_000)) for name in ("one", "two")}
"""Two archives that fit into a limit of a million bytes alone, but not together."""


def test_the_archives_of_a_request_share_its_limit(tmp_path: Path) -> None:
    files = [NewFile(tmp_path / name, data, archive=True) for name, data in BOMBS.items()]
    with pytest.raises(ProblemError, match="larger than this server takes"):
        _write_files(RunFolder(tmp_path), files, limit=1_000_000)


def test_the_archives_of_the_json_in_a_form_share_its_limit(tmp_path: Path) -> None:
    """Such as a part of JSON next to a file, or the object of a folder in a value of an execute request."""
    folder = RunFolder(tmp_path / "run")
    folder.uploads.mkdir(parents=True)
    (folder.uploads / "one.zip").write_bytes(BOMBS["one"])
    unpack_in_place(folder.uploads / "one.zip", Room(1_000_000))

    with pytest.raises(ProblemError, match="larger than this server takes"):
        _write_files(folder, [NewFile(folder.uploads / "two", BOMBS["two"], archive=True)], limit=1_000_000)


def test_the_files_of_the_json_in_a_form_count_with_its_others(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.uploads.mkdir(parents=True)
    for number in range(5_000):
        (folder.uploads / str(number)).touch()
    files = [NewFile(folder.uploads / "x" / str(number), b"") for number in range(6_000)]

    with pytest.raises(ProblemError, match="more than 10000 files and folders"):
        _write_files(folder, files, limit=1_000_000)


TWO_FOLDERS = "one = 'data/'  # type: stage-in\ntwo = 'data/'  # type: stage-in"


def test_the_archives_of_a_form_share_its_limit(tmp_path: Path) -> None:
    parts = []
    for name, data in BOMBS.items():
        path = tmp_path / f"{name}.zip"
        path.write_bytes(data)
        parts.append(Part(name, Upload(path), folder=tmp_path))
    notebook: Any = SimpleNamespace(interface=interface_of(TWO_FOLDERS))
    context: Any = SimpleNamespace(limits=Limits(upload=1_000_000))

    with pytest.raises(ProblemError, match="larger than this server takes"):
        asyncio.run(values_of_parts(parts, notebook, context))


def test_the_archives_of_an_execute_request_share_its_limit(tmp_path: Path) -> None:
    inputs = {name: base64.b64encode(data).decode() for name, data in BOMBS.items()}
    with pytest.raises(ProblemError, match="larger than this server takes"):
        input_object(inputs, interface_of(TWO_FOLDERS), RunFolder(tmp_path), largest=1_000_000)


@pytest.mark.parametrize("default", ["x/", "x"])
def test_two_inputs_of_an_execute_request_do_not_share_a_place(default: str, tmp_path: Path) -> None:
    """The archives were merged, and the second file replaced the first one."""
    read = interface_of(f"a = ['{default}']  # type: stage-in\nb = '{default}'  # type: stage-in")
    first, second = read.inputs
    interface = replace(read, inputs=(first, replace(second, name="a-0")))
    packed = [base64.b64encode(archive((name, "1"))).decode() for name in "xy"]

    with pytest.raises(ProblemError, match=r"the second file.* named 'a-0"):
        input_object({"a": packed[:1], "a-0": packed[1]}, interface, RunFolder(tmp_path), largest=1_000_000)


@pytest.mark.parametrize("names", [("d", "d"), (None, None)], ids=["same", "none"])
def test_two_listings_do_not_share_a_folder(names: tuple[str | None, ...]) -> None:
    interface = interface_of("folders = ['data/']  # type: stage-in")
    listings = [
        {"class": "Directory", "basename": name, "listing": [{"class": "File", "basename": content, "contents": ""}]}
        for name, content in zip(names, "xy", strict=True)
    ]
    rules = FileRules(root=Path("/served"))
    read = read_values({"folders": listings}, interface, notebook="a.ipynb", uploads=Path("/up"), rules=rules)

    if names[0]:
        assert "two entries with the name 'd'" in read.issues["folders"]
    else:
        assert len({one["path"] for one in read.inputs["folders"]}) == 2


def form_of(*parts: tuple[str, str, bytes]) -> bytes:
    """Return a form of files with the boundary ``b``."""
    head = '--b\r\nContent-Disposition: form-data; name="{}"; filename="{}"\r\n\r\n'
    return b"".join(head.format(*names).encode() + data + b"\r\n" for *names, data in parts) + b"--b--\r\n"


def parts_of(form: bytes, uploads: Path) -> list[Part]:
    async def chunks() -> AsyncIterator[bytes]:
        yield form

    return asyncio.run(read_parts(chunks(), b"b", uploads, texts=10**6, limit=10**6))


def test_parameters_whose_names_are_not_ascii_do_not_share_a_folder(tmp_path: Path) -> None:
    """A part of JSON is no file of its form: the folders were numbered in two ways."""
    parts = parts_of(form_of(("größe", "a", b"1"), ("größe", "b", b"2"), ("höhe", "c", b"3")), tmp_path)
    given = {"länge": {"class": "File", "basename": "d", "contents": ""}}
    interface = interface_of("länge = 'x'  # type: stage-in\ngröße = 'x/'  # type: stage-in")
    rules = FileRules(root=Path("/served"))
    read = read_values(given, interface, notebook="a.ipynb", uploads=tmp_path, rules=rules)

    uploaded = [part.folder for part in parts]
    assert uploaded[0] == uploaded[1] != uploaded[2]
    (written,) = read.files
    assert written.parent not in uploaded
    assert all(path.parent == tmp_path for path in (*uploaded, written.parent))


def test_a_listing_and_an_uploaded_archive_do_not_share_a_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.uploads.mkdir(parents=True)
    parts_of(form_of(("folders", "d", archive(("x", "1")))), folder.uploads)
    unpack_in_place(folder.uploads / "folders/d", Room(1_000_000))
    listing = [{"class": "File", "basename": "y", "contents": ""}]
    given = {"folders": [{"class": "Directory", "basename": "d", "listing": listing}]}
    interface = interface_of("folders = ['data/']  # type: stage-in")
    rules = FileRules(root=Path("/served"))
    read = read_values(given, interface, notebook="a.ipynb", uploads=folder.uploads, rules=rules)

    with pytest.raises(ProblemError, match="a listing and an upload have the name 'd'"):
        _write_files(folder, read.files.values(), folders=read.folders, limit=1_000_000)
    assert [path.name for path in (folder.uploads / "folders/d").iterdir()] == ["x"]


def test_a_form_beyond_the_limits_is_refused(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n'
        for _ in range(100):
            yield b"x" * 1000
        yield b"\r\n--b--\r\n"

    for limits in ({"texts": 10**6, "limit": 50_000}, {"texts": 50_000, "limit": 10**6}):
        with pytest.raises(ProblemError, match="413"):
            asyncio.run(read_parts(chunks(), b"b", tmp_path, **limits))
    [part] = asyncio.run(read_parts(chunks(), b"b", tmp_path, texts=10**6, limit=10**6))
    assert part.value == "x" * 100_000


def test_texts_that_are_sent_as_files_share_the_limit_of_texts(tmp_path: Path) -> None:
    """Each may have a mebibyte: a thousand of them are a gibibyte in memory."""
    for number in range(3):
        (tmp_path / str(number)).write_bytes(b"x" * 40)
    parts = [Part("texts", Upload(tmp_path / str(number)), media_type="text/plain") for number in range(3)]
    notebook: Any = SimpleNamespace(interface=interface_of("texts: list[str] = []"))

    def values(limit: int) -> dict[str, Any]:
        context: Any = SimpleNamespace(limits=Limits(body=limit))
        return asyncio.run(values_of_parts(parts, notebook, context))

    assert values(120) == {"texts": ["x" * 40] * 3}
    with pytest.raises(ProblemError, match="413"):
        values(119)


def test_a_client_that_leaves_in_an_upload_leaves_nothing(server: NotebookServer) -> None:
    before = folders(server)
    head = "POST /notebooks/file.ipynb/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    part = '--b\r\nContent-Disposition: form-data; name="data"; filename="x"\r\n\r\n'
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall((head + part).encode() + b"x" * 100_000)
        wait_until(lambda: len(folders(server)) > len(before), message="the upload begins")
    wait_until(lambda: folders(server) == before, message="the upload is removed")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"class": "File", "contents": "given"}, "given"),
        ({"class": "File", "contents": "Z2l2ZW4=", "encoding": "base64", "basename": "x.bin"}, "given"),
        ({"contents": "given"}, "given"),
        ("data/open.csv", "open"),
        ({"class": "File", "path": "data/open.csv"}, "open"),
        ("data/own.csv", "own"),
        (None, "own"),
    ],
)
def test_files_in_json(server: NotebookServer, value: Any, text: str) -> None:
    assert server.run("file.ipynb", data=value)["scraps"]["text"] == text


def test_contents_have_the_name_of_the_cells_own_file(server: NotebookServer) -> None:
    result = server.run("file.ipynb", data={"class": "File", "contents": "x"})
    assert result["scraps"]["path"].endswith("/data/own.csv")


def test_a_cell_with_a_file_object_gets_one(server: NotebookServer) -> None:
    result = server.run("object.ipynb", data={"class": "File", "contents": "given", "basename": "g.csv"})

    given = result["scraps"]["given"]
    assert result["scraps"]["text"] == "given"
    assert (given["class"], given["basename"], given["size"]) == ("File", "g.csv", 5)
    assert server.run("object.ipynb", data={"class": "File", "path": "data/own.csv"})["scraps"]["text"] == "own"


def test_a_folder_in_json_lists_its_files(server: NotebookServer) -> None:
    inner = {"class": "Directory", "basename": "sub", "listing": [{"class": "File", "basename": "b", "contents": "2"}]}
    folder = {"class": "Directory", "listing": [{"class": "File", "basename": "a", "contents": "1"}, inner]}

    assert server.run("folder.ipynb", folder=folder)["scraps"]["files"] == {"a": "1", "sub/b": "2"}


def test_lists_of_contents(server: NotebookServer) -> None:
    files = [{"class": "File", "contents": "1"}, {"class": "File", "contents": "2"}, "data/open.csv"]
    found = server.run("files.ipynb", files=files)["scraps"]["files"]

    assert sorted(found.values()) == ["1", "2", "open"]


def test_contents_reach_a_parameter_without_a_type_as_a_file(server: NotebookServer) -> None:
    value = {"model": {"class": "File", "contents": "x"}, "name": "n"}
    result = server.run("any.ipynb", settings=value)
    assert result["state"] == "succeeded", result
    config = result["scraps"]["settings"]

    assert config["name"] == "n"
    assert config["model"]["path"].startswith("/")


_FORBIDDEN = [
    ("/etc/passwd", "cannot name files of the server"),
    ("../outside.csv", "cannot name files of the server"),
    ("data/../../outside.csv", "cannot name files of the server"),
    ("data/.hidden.csv", "cannot name files of the server"),
    ("./data/open.csv", "cannot name files of the server"),
    ("data//open.csv", "cannot name files of the server"),
    ("", "cannot name files of the server"),
    ("data\\open.csv", "does not read"),
    ("data/closed.txt", "may not read here"),
    ("file.ipynb", "may not read here"),
    ("data/link.csv", "does not have"),
    ("data/missing.csv", "does not have"),
    ("data/open.csv\0", "cannot name files of the server"),
    ("file:///etc/passwd", "does not read"),
    ("FILE:/etc/passwd", "does not read"),
    ("ftp://example.org/x", "does not read"),
    ("s3://bucket/key", "does not read"),
    ("https://example.org/x.csv", "fetches none"),
    ("http://169.254.169.254/latest", "fetches none"),
    ("http://[::1", "not a valid address"),
]


@pytest.mark.parametrize(("named", "what"), _FORBIDDEN)
def test_a_caller_cannot_name_files_of_the_machine(server: NotebookServer, named: str, what: str) -> None:
    forms: list[tuple[str, Any]] = [
        ("file.ipynb", {"data": named}),
        ("file.ipynb", {"data": {"class": "File", "path": named}}),
        ("file.ipynb", {"data": {"class": "File", "location": named}}),
        ("files.ipynb", {"files": [named]}),
        ("object.ipynb", {"data": {"class": "File", "location": named}}),
        ("any.ipynb", {"settings": {"deep": [{"class": "File", "path": named}]}}),
    ]
    for notebook, parameters in forms:
        answer = server.ask("POST", "/runs", json={"notebook": notebook, "parameters": parameters})
        assert (answer.status_code, what in answer.text) == (400, True), (parameters, answer.text)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"class": "File"}, "no contents"),
        ({"class": "File", "path": "a", "contents": "b"}, "path and contents"),
        ({"class": "File", "contents": "b", "secondaryFiles": []}, "secondaryFiles"),
        ({"class": "Link", "path": "a"}, "has the class"),
        ({"class": "Directory", "listing": []}, "without files"),
        ({"class": "File", "contents": "=", "encoding": "base64"}, "not base64"),
        ({"class": "File", "contents": "a", "encoding": "rot13"}, "'rot13'"),
        ({"class": "File", "contents": "a", "basename": "../a"}, "is a path"),
        ({"class": "File", "contents": "a", "basename": 5}, "not text"),
        ({"class": "File", "path": 5}, "not text"),
        ({"class": "Directory", "listing": [{"class": "File", "basename": "a", "path": "/etc/passwd"}]}, "listing"),
        ({"class": "Directory", "contents": "a"}, "a Directory"),
        (5, "is 5"),
        (["data/open.csv"], "a list"),
    ],
)
def test_file_objects_that_are_not_valid_are_refused(server: NotebookServer, value: Any, what: str) -> None:
    answer = server.ask("POST", "/runs", json={"notebook": "file.ipynb", "parameters": {"data": value}})

    assert answer.status_code == 400, answer.text
    assert what in " ".join(answer.json()["issues"]) or what in answer.json()["detail"]


def test_all_mistakes_are_reported_together(server: NotebookServer) -> None:
    parameters = {"data": "/etc/passwd", "factor": "many", "unknown": 1}
    answer = server.ask("POST", "/runs", json={"notebook": "file.ipynb", "parameters": parameters})

    assert [issue.split(" ")[0].rstrip(":") for issue in answer.json()["issues"]] == ["data", "factor", "unknown"]
