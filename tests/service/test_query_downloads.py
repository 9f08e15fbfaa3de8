"""Downloads of ``query.py`` from a server that fails: whole files or none, and one error."""

from __future__ import annotations

import io
import os
import sys
import time
import zipfile
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from staging_servers import Handler, HttpServer, http_server
from support import here

sys.path.insert(0, str(here.parent))
import query

_JOB = "/api/v4/projects/1/jobs/7"
_FILE = f"{_JOB}/artifacts/results/a.txt"
_TEXT = b"a result\n" * 1000


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    monkeypatch.setattr(query, "_PAUSES", (0.01, 0.01))
    with http_server() as running:
        yield running


@pytest.fixture
def client(server: HttpServer) -> query.Client:
    return query.Client(server.url, access_token="of-a-test")


def _archive(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, content in files.items():
            packed.writestr(f"results/{name}.txt", content)
    return made.getvalue()


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_is_downloaded_again_after_the_connection_breaks(
    server: HttpServer, client: query.Client, tmp_path: Path
) -> None:
    server.put(_FILE, _TEXT, cut=[10, 0])

    assert client.artifact(7, "results/a.txt", tmp_path).read_bytes() == _TEXT
    assert _files(tmp_path) == ["a.txt"]


def test_half_a_file_never_has_the_file_s_name(server: HttpServer, client: query.Client, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("of an earlier job")
    server.put(_FILE, _TEXT, cut=[10] * 9)

    with pytest.raises(query.QueryError, match="job 7: the download of artifacts broke off"):
        client.artifact(7, "results/a.txt", tmp_path)

    assert _files(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "of an earlier job"


def test_of_two_downloads_of_one_name_the_last_to_end_gives_the_file(
    server: HttpServer, client: query.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put(_FILE, _TEXT)
    server.put(_FILE.replace("/7/", "/8/"), _TEXT * 2)
    copy_body, seen = query._copy_body, list[bytes]()

    def copy_later(*given: Any) -> None:
        monkeypatch.setattr(query, "_copy_body", copy_body)
        seen.append(client.artifact(8, "results/a.txt", tmp_path).read_bytes())
        copy_body(*given)

    monkeypatch.setattr(query, "_copy_body", copy_later)
    seen.append(client.artifact(7, "results/a.txt", tmp_path).read_bytes())

    assert seen == [_TEXT * 2, _TEXT]
    assert _files(tmp_path) == ["a.txt"]


def test_a_download_removes_what_killed_ones_left_a_day_ago(
    server: HttpServer, client: query.Client, tmp_path: Path
) -> None:
    """Such as those of a map in cron with a limit of time."""
    server.put(_FILE, _TEXT)
    running = f".packmill-{'2' * 16}.part"
    for name, hours in ((f".packmill-{'1' * 16}.part", 25), (running, 23), (".packmill-mine.part", 25)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - hours * 3600,) * 2)

    client.artifact(7, "results/a.txt", tmp_path)

    assert _files(tmp_path) == [running, ".packmill-mine.part", "a.txt"]


def test_an_archive_is_unpacked_when_it_is_complete(server: HttpServer, client: query.Client, tmp_path: Path) -> None:
    content = _archive(a=_TEXT, b=b"")
    server.put(f"{_JOB}/artifacts", content, cut=[len(content) // 2])

    assert client.artifacts(7, tmp_path / "here") == [tmp_path / "here/results/a.txt", tmp_path / "here/results/b.txt"]
    assert _files(tmp_path / "here") == ["results/a.txt", "results/b.txt"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_a_name_twice_is_unpacked(server: HttpServer, client: query.Client, tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        packed.writestr("a.txt", b"first")
        packed.writestr("a.txt", b"last")
    server.put(f"{_JOB}/artifacts", made.getvalue())

    assert client.artifacts(7, tmp_path / "here") == [tmp_path / "here/a.txt"]
    assert (tmp_path / "here/a.txt").read_bytes() == b"last"


def test_a_broken_archive_leaves_no_part_of_it(server: HttpServer, client: query.Client, tmp_path: Path) -> None:
    content = bytearray(_archive(a=_TEXT, b=_TEXT))
    content[content.index(_TEXT, len(_TEXT)) + 5] ^= 1  # in the second file, which the first one precedes
    server.put(f"{_JOB}/artifacts", bytes(content))

    with pytest.raises(query.QueryError, match="cannot unpack the artifacts"):
        client.artifacts(7, tmp_path)

    assert _files(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "byte"), [(43, 0xFF), (8, 99), (-30, 0xFF), (6, 1)], ids=["stream", "method", "directory", "encrypted"]
)
def test_an_archive_with_a_wrong_byte_is_an_error(
    server: HttpServer, client: query.Client, tmp_path: Path, place: int, byte: int
) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("results.txt", b"hello " * 100)
    damaged = bytearray(made.getvalue())
    damaged[place : place + 4 if place == 43 else place + 1] = bytes([byte] * (4 if place == 43 else 1))
    if place in (6, 8):  # as the directory has it, which is what counts
        damaged[damaged.index(b"PK\1\2") + place + 2] = byte
    server.put(f"{_JOB}/artifacts", bytes(damaged))

    with pytest.raises(query.QueryError, match="job 7: cannot unpack the artifacts"):
        client.artifacts(7, tmp_path)
    assert _files(tmp_path) == []


def test_a_busy_service_is_asked_again_when_it_says(server: HttpServer, client: query.Client) -> None:
    moments: list[float] = []

    def limit(handler: Handler) -> bool:
        moments.append(time.monotonic())
        if len(moments) > 1:
            return False
        handler.answer(429, b"", **{"Retry-After": formatdate(time.time() + 2, usegmt=True)})
        return True

    server.put(_JOB, b'{"id": 7}', handler=limit)

    assert client.job(7) == {"id": 7}
    assert moments[1] - moments[0] > 0.9


def test_a_certificate_that_expires_between_two_requests_is_an_error_at_once(
    server: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    context = authority.server_context()
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    client = query.Client(f"https://localhost:{server.server_address[1]}", access_token="of-a-test")
    server.put(_JOB, b'{"id": 7}')
    assert client.job(7) == {"id": 7}
    context.load_cert_chain(authority.issue(days=-1))
    client._session.close()

    with pytest.raises(query.QueryError, match="certificate has expired"):
        client.job(7)
    assert len(server.asked) == 1
