"""What the CWL engine's loader reads, whatever a document names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from schema_salad.exceptions import ValidationException

from generator.package.engines import cwltool as cwl
from generator.package.engines.checked_cwltool.documents import PackageFetcher


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "own.txt").write_text("own")
    (tmp_path / "marker.txt").write_text("of the host")
    (folder / "link.txt").symlink_to(tmp_path / "marker.txt")
    return folder


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """An address on loopback, and the paths that were asked for there."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_GET = do_HEAD  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()
        thread.join()


def fetcher(folder: Path, **cache: str) -> PackageFetcher:
    return PackageFetcher(cache, None, folder=folder, files=())


@pytest.mark.parametrize("name", ["../marker.txt", "link.txt", "../marker.txt#/../package/own.txt", "../marker.txt?x"])
def test_files_elsewhere_are_not_read(name: str, folder: Path) -> None:
    url = f"{folder.as_uri()}/{name}"

    with pytest.raises(ValidationException, match="not loaded"):
        fetcher(folder).fetch_text(url)
    assert not fetcher(folder).check_exists(url)


def test_files_of_the_folder_and_the_job_are_read(folder: Path, tmp_path: Path) -> None:
    assert fetcher(folder).fetch_text((folder / "own.txt").as_uri()) == "own"
    with_job = PackageFetcher({}, None, folder=folder, files=(tmp_path / "marker.txt",))
    assert with_job.fetch_text((tmp_path / "marker.txt").as_uri()) == "of the host"


@pytest.mark.parametrize("keys", [{"run": "{}"}, {"id": "{}/x", "run": "y"}, {"steps": {"a": {"run": "{}"}}}])
def test_an_address_in_a_default_is_not_asked(
    keys: dict[str, Any], tmp_path: Path, asked: tuple[str, list[str]]
) -> None:
    address, paths = asked
    default = json.loads(json.dumps(keys).replace("{}", address))
    tool = {"cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": "true", "outputs": {}}
    (tmp_path / "process.cwl").write_text(json.dumps({**tool, "inputs": {"a": {"type": "Any", "default": default}}}))

    assert cwl.validate([tmp_path / "process.cwl"])[0].problem == ""
    assert paths == []
