"""``packmill-runner gateway``: requests with odd bodies and paths, and uploads that do not fit on the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from gateway_server import GatewayServer, Reply
from small_disks import mounted_disk
from support import write_notebook

from generator.runner.server.values.multipart import read_parts

_JSON = [("Content-Type", "application/json")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("requests")
    files = "[(one['size'], os.path.exists(one['path'])) for one in json.loads(REQUEST)['files']['data']]"
    write_notebook(
        folder / "own.ipynb",
        "import json, os",
        "# POST /echo\nprint(REQUEST)",
        f"# POST /upload\nprint({files})",
        tags=(),
    )
    return folder


@pytest.fixture(scope="module")
def small_disk(folder: Path) -> Iterator[Path]:
    with mounted_disk(folder / "disk", megabytes=3) as disk:
        yield disk


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[GatewayServer]:
    running = GatewayServer(folder, "own.ipynb").start()
    yield running
    assert running.stop() == 0


def test_json_with_any_number_of_levels_is_the_value_or_the_text(server: GatewayServer) -> None:
    """Python writes fewer levels than it reads."""
    replies = [server.ask("POST", "/echo", _JSON, nested(levels)) for levels in (1, *range(900, 1010, 10), 100_000)]

    assert {reply.status for reply in replies} == {200}
    assert replies[0].text.startswith('{"body": [], "args": {}, "path": {}, "headers": {')
    assert replies[1].text.startswith('{"body": [[[')
    assert replies[-1].text.startswith('{"body": "[[[')
    assert "Traceback" not in server.log.read_text()


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def test_an_upload_to_a_full_disk_is_refused_and_later_ones_are_taken(folder: Path, small_disk: Path) -> None:
    server = GatewayServer(folder, "own.ipynb", TMPDIR=str(small_disk)).start()
    try:
        refused = [upload(server, size) for size in (4_000_000, 30_000_000)]
        taken = upload(server, 1_000_000)
    finally:
        server.stop()

    assert [reply.status for reply in refused] == [503, 503], refused
    assert all(reply.header("Retry-After") and "disk of the server is full" in reply.text for reply in refused)
    assert taken.text == "[(1000000, True)]\n"
    assert "Traceback" not in server.log.read_text()


def upload(server: GatewayServer, size: int) -> Reply:
    head = b'--b\r\nContent-Disposition: form-data; name="data"; filename="a"\r\n\r\n'
    kind = [("Content-Type", "multipart/form-data; boundary=b")]
    return server.ask("POST", "/upload", kind, head + b"x" * size + b"\r\n--b--\r\n")


def test_the_rest_of_an_upload_to_a_full_disk_is_read(small_disk: Path) -> None:
    """Clients read no answer before they have sent all."""
    sent = []

    async def chunks() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="data"; filename="a"\r\n\r\n'
        for number in range(8):
            sent.append(number)
            yield b"x" * 1_000_000
        yield b"\r\n--b--\r\n"

    with pytest.raises(OSError, match="No space left"):
        asyncio.run(read_parts(chunks(), b"b", small_disk / "uploads", texts=0, limit=10**8))

    assert len(sent) == 8
