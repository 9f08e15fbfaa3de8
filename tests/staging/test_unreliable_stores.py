"""Stores that fail, limit requests, break connections, or whose certificate expires: what a step leaves behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from faulty_proxy import Fault, FaultyProxy, faulty_proxy
from staging_servers import S3, Handler, HttpServer, Runner, http_server

from generator.shared.failures import StagingError
from generator.staging.transfer import batch
from generator.staging.transfer.batch import Meter, run_in_parallel
from generator.staging.transfer.transfer import Watch

_CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def s3_proxy(s3: S3) -> Iterator[FaultyProxy]:
    """The S3 server behind a proxy that breaks its answers."""
    with faulty_proxy(s3.url) as running:
        yield running


@pytest.fixture
def https(tmp_path: Path) -> Iterator[tuple[HttpServer, Callable[[], None], Path]]:
    """An https server, the expiry of its certificate, and the authority that clients trust."""
    (tmp_path / "keys").mkdir()
    authority = Authority(tmp_path / "keys")
    context = authority.server_context()
    with http_server() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        yield server, lambda: context.load_cert_chain(authority.issue(days=-1)), authority.file


def _url(server: HttpServer, path: str) -> str:
    return f"https://localhost:{server.server_address[1]}{path}"


def test_a_certificate_that_expires_in_mid_transfer_leaves_no_half_file(
    https: tuple[HttpServer, Callable[[], None], Path], runner: Runner, tmp_path: Path
) -> None:
    server, expire, authority = https
    sent = threading.Event()

    def cut_and_expire(_: Handler) -> bool:
        if not sent.is_set():
            sent.set()
            expire()
        return False

    server.put("/a.bin", _CONTENT, cut=[len(_CONTENT) // 2], handler=cut_and_expire)

    result = runner("stage-in", _url(server, "/a.bin"), "--ca-bundle", authority, "--output", "out")

    assert result.code == 12, result.err
    assert "certificate has expired" in result.err
    assert "its operator has to renew it, or this machine's clock is wrong" in result.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".0.part"]  # another attempt resumes it


def test_a_certificate_that_expires_between_two_files_keeps_a_connection(
    https: tuple[HttpServer, Callable[[], None], Path], runner: Runner
) -> None:
    """A connection was checked when it began; the second file comes by it."""
    server, expire, authority = https

    def renew(_: Handler) -> bool:
        expire()
        return False

    server.put("/a.bin", b"a", handler=renew)
    server.put("/b.bin", b"b")
    words = ("--ca-bundle", authority, "--parallel", "1")
    result = runner("stage-in", _url(server, "/a.bin"), _url(server, "/b.bin"), *words)

    assert result.code == 0, result.err


_FAULTS = [
    pytest.param(Fault(status=500), id="fails"),
    pytest.param(Fault(status=503, retry_after="1"), id="overloaded"),
    pytest.param(Fault(closed=True), id="ends the connection"),
    pytest.param(Fault(half=True), id="sends half an answer"),
]


@pytest.mark.parametrize("fault", _FAULTS)
def test_an_object_arrives_whole(s3: S3, s3_proxy: FaultyProxy, step: Runner, tmp_path: Path, fault: Fault) -> None:
    (s3.folder / "data" / "faulty.bin").write_bytes(_CONTENT)
    s3_proxy.faults = [replace(fault, path="faulty.bin", method="GET")] * 2
    record = {**s3.record, "endpoint_url": s3_proxy.url, "s3_url": "s3://data/faulty.bin"}

    result = step("stage-in", {"input_path": record})

    assert result.code == 0, result.err
    assert s3_proxy.faults == []
    assert [path.read_bytes() == _CONTENT for path in tmp_path.rglob("*faulty.bin")] == [True]


@pytest.mark.parametrize("fault", [*_FAULTS, pytest.param(Fault(lost=True), id="loses its answer")])
def test_a_result_arrives_whole(s3: S3, s3_proxy: FaultyProxy, step: Runner, tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "faulty.bin").write_bytes(_CONTENT)
    s3_proxy.faults = [replace(fault, path="faulty.bin", method="PUT")]
    record = {**s3.record, "endpoint_url": s3_proxy.url, "s3_url": "s3://results/unreliable"}

    folder = {"class": "Directory", "path": str(tmp_path / "results")}
    result = step("stage-out", {"output_path": record, "output_dir": folder, "include": ["faulty.bin"]})

    assert result.code == 0, result.err
    assert s3_proxy.faults == []
    assert (s3.folder / "results" / "unreliable" / "faulty.bin").read_bytes() == _CONTENT


def test_a_step_that_fails_leaves_no_parts_of_its_uploads(
    s3: S3, s3_proxy: FaultyProxy, step: Runner, tmp_path: Path
) -> None:
    """S3 lists them nowhere, and bills them until somebody aborts the upload."""
    (tmp_path / "results").mkdir()
    for name in ("a.bin", "b.bin"):
        (tmp_path / "results" / name).write_bytes(_CONTENT * 10)
    s3_proxy.faults = [Fault(status=403, path="partNumber=2", method="PUT")]
    record = {**s3.record, "endpoint_url": s3_proxy.url, "s3_url": "s3://results/refused"}

    folder = {"class": "Directory", "path": str(tmp_path / "results")}
    result = step("stage-out", {"output_path": record, "output_dir": folder, "include": ["*.bin"]})

    assert (result.code, s3_proxy.faults) == (12, [])
    begun = [path for method, path in s3_proxy.asked if method == "POST" and "uploads" in path]
    ended = {path for method, path in s3_proxy.asked if method in ("POST", "DELETE") and "uploadId" in path}
    assert 1 <= len(begun) == len(ended)
    assert "DELETE" in {method for method, _ in s3_proxy.asked}


def test_other_uploads_abort_after_a_failure_before_the_step_ends() -> None:
    _check_clean_up(StagingError, fail=True, seconds=1.2)  # longer than other steps wait


def test_uploads_abort_after_an_interrupt_before_the_step_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt_first(futures: list[Future[None]], **options: Any) -> object:
        if "return_when" in options:
            raise KeyboardInterrupt
        return wait(futures, **options)

    monkeypatch.setattr(batch, "wait", interrupt_first)
    _check_clean_up(KeyboardInterrupt, fail=False, seconds=0.2)


def _check_clean_up(error: type[BaseException], *, fail: bool, seconds: float) -> None:
    begun, cleaned = threading.Event(), threading.Event()

    def work(item: int, watch: Watch) -> None:
        if item == 0:
            begun.wait()
            if fail:
                raise StagingError("refused")
        begun.set()
        assert watch.stopped
        watch.stopped.wait()
        time.sleep(seconds)
        cleaned.set()

    with pytest.raises(error):
        run_in_parallel([0, 1], work, parallel=2, meter=Meter("stage-out", 2, print), failure_wait=30)

    assert cleaned.is_set()
