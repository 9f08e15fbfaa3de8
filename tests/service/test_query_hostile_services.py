"""``query.py`` with a service that answers with something else than the API, without end, or with commands."""

from __future__ import annotations

import functools
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from staging_servers import Handler, HttpServer, http_server
from support import here

sys.path.insert(0, str(here.parent))
import query

_PROJECT = "/api/v4/projects/1"
_PIPELINE = {"id": 1, "status": "success", "web_url": "http://ci/1"}
_JOB = {"id": 7, "name": "map", "status": "failed", "web_url": "http://ci/7"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    with http_server() as running:
        monkeypatch.setenv("PACKMILL_CI_URL", running.url)
        monkeypatch.setenv("PACKMILL_CI_ACCESS_TOKEN", "of-a-test")
        monkeypatch.setenv("PACKMILL_CI_TRIGGER_TOKEN", "of-a-test")
        monkeypatch.setenv("PACKMILL_CI_CONFIG", "/nonexistent")
        yield running


def _put(server: HttpServer, path: str, value: Any) -> None:
    server.put(_PROJECT + path, value if isinstance(value, bytes) else json.dumps(value).encode())


def _serve_pipeline(server: HttpServer, *jobs: Any, log: bytes = b"") -> None:
    _put(server, "/pipelines/1", _PIPELINE)
    _put(server, "/pipelines/1/jobs", list(jobs))
    _put(server, "/jobs/7", _JOB)
    _put(server, "/jobs/7/trace", log)


@pytest.mark.parametrize(
    "answer",
    [b"[" * 100_000, b'{"id": Infinity, "status": "success"}', {**_PIPELINE, "id": "1"}, {**_PIPELINE, "status": []}],
    ids=["deep", "infinite", "a text as id", "a list as status"],
)
def test_something_else_than_a_pipeline_is_an_error(
    answer: Any, server: HttpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    _put(server, "/pipelines/1", answer)

    assert query.main(["status", "1"]) == 2
    assert "not the API of GitLab or packmill serve" in capsys.readouterr().err


@pytest.mark.parametrize(
    "job",
    [
        None,
        "7",
        {**_JOB, "id": None},
        {**_JOB, "id": 1e308},
        {**_JOB, "name": {}},
        {**_JOB, "status": None},
        {**_JOB, "duration": "1"},
        {**_JOB, "failure_reason": {}},
        {**_JOB, "artifacts_file": "a.zip"},
    ],
    ids=str,
)
def test_something_else_than_a_job_is_an_error(
    job: Any, server: HttpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    _serve_pipeline(server, job)

    for command in (["status", "1"], ["jobs", "--pipeline", "1"], ["artifacts", "1"]):
        assert query.main(command) == 2
        assert "not the API of GitLab or packmill serve" in capsys.readouterr().err


@pytest.mark.parametrize("suites", ["a", 5, [None], [{"test_cases": 5}], [{"test_cases": ["a"]}]], ids=str)
def test_an_odd_test_report_has_no_reasons(suites: Any, server: HttpServer, capsys: pytest.CaptureFixture[str]) -> None:
    _serve_pipeline(server, {**_JOB, "allow_failure": True})
    _put(server, "/pipelines/1/test_report", {"test_suites": suites})

    assert query.main(["status", "1"]) == 0
    assert "not run" not in capsys.readouterr().out


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"message": {"base": 5}}', b'{"message": {"base": null}}'])
def test_an_odd_refusal_is_an_error(body: bytes, server: HttpServer, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(handler: Handler) -> bool:
        handler.answer(400, body)
        return True

    server.put(f"{_PROJECT}/pipelines/1", handler=refuse)

    assert query.main(["status", "1"]) == 2
    assert "400" in capsys.readouterr().err


@pytest.mark.parametrize("digits", ["9" * 5000, "256", "0"], ids=["thousands of digits", "256", "0"])
def test_a_failed_job_never_becomes_exit_code_0(
    digits: str, server: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell sees the last eight bits of an exit code: 256 would be a success."""
    log = f"packmill: 1 of 2 rows failed (exit code {digits})\nERROR: Job failed: exit code {digits}\n"
    _serve_pipeline(server, _JOB, log=log.encode())
    monkeypatch.setattr(query.Client, "trigger", lambda *_, **__: _PIPELINE)

    product = ["map", "3", "--product", "n=1,2", "--outdir", str(tmp_path)]
    assert query.main(product) == 1
    assert query.main(["status", "1", "--json"]) == 0


class TestResultsOfAMap:
    """``query.py map`` writes the results of a map that has succeeded, or it fails."""

    @pytest.fixture(autouse=True)
    def succeeds(self, server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
        _serve_pipeline(server, {**_JOB, "status": "success"})
        _put(server, "/jobs/7", {**_JOB, "status": "success"})
        monkeypatch.setattr(query.Client, "trigger", lambda *_, **__: _PIPELINE)
        monkeypatch.setattr(query, "_PAUSES", (0.01,))

    @staticmethod
    def _map(folder: Path) -> int:
        return query.main(["map", "3", "--product", "n=1", "--outdir", str(folder)])

    def test_are_written_where_the_map_has_them(
        self, server: HttpServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _put(server, "/jobs/7/artifacts/results/results.csv", b"row\n1\n")

        assert self._map(tmp_path) == 0
        assert capsys.readouterr().out == f"{tmp_path}/results.csv\n"

    def test_are_an_error_in_a_folder_that_cannot_be_written(
        self, server: HttpServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _put(server, "/jobs/7/artifacts/results/results.csv", b"row\n1\n")
        (tmp_path / "file").touch()

        assert self._map(tmp_path / "file" / "below") == 2
        assert "results.csv: cannot be written" in capsys.readouterr().err

    def test_are_an_error_if_their_download_breaks_off(
        self, server: HttpServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _put(server, "/jobs/7/artifacts/results/results.csv", b"row\n1\n")
        server.put(f"{_PROJECT}/jobs/7/artifacts/results/results.parquet", b"x" * 100, cut=[10] * 9)

        assert self._map(tmp_path) == 2
        captured = capsys.readouterr()
        assert captured.out == f"{tmp_path}/results.csv\n"
        assert "results.parquet: job 7: the download of artifacts broke off" in captured.err

    def test_are_an_error_if_the_job_has_none(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self._map(tmp_path) == 2
        assert "job 7 has no results among its artifacts" in capsys.readouterr().err

    def test_of_an_earlier_job_are_named_as_such(
        self, server: HttpServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _put(server, "/jobs/7/artifacts/results/results.csv", b"row\n1\n")
        for name in ("results.csv", "report.html"):
            (tmp_path / name).write_text("earlier")

        assert self._map(tmp_path) == 0
        errors = capsys.readouterr().err
        assert f"{tmp_path}/report.html: of an earlier job; job 7 has none" in errors
        assert "results.csv" not in errors


def test_a_job_without_a_name_is_listed(server: HttpServer, capsys: pytest.CaptureFixture[str]) -> None:
    _serve_pipeline(server, {**_JOB, "name": None})

    assert query.main(["jobs", "--pipeline", "1"]) == 0
    assert "7  None" in capsys.readouterr().out


def test_a_job_without_an_address_is_explained(
    server: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _serve_pipeline(server, {**_JOB, "web_url": None}, log=b"packmill: bad (exit code 20)\n")
    _put(server, "/jobs/7", {**_JOB, "web_url": None})
    monkeypatch.setattr(query.Client, "trigger", lambda *_, **__: _PIPELINE)

    assert query.main(["map", "3", "--product", "n=1", "--outdir", str(tmp_path)]) == 20
    assert "query.py: bad (exit code 20)" in capsys.readouterr().err


def test_a_redirect_without_a_place_is_not_stored_as_the_file(server: HttpServer, tmp_path: Path) -> None:
    def redirect(handler: Handler) -> bool:
        handler.answer(302, b"")
        return True

    server.put(f"{_PROJECT}/jobs/7/artifacts/results/a.csv", handler=redirect)

    with pytest.raises(query.QueryError, match="302"):
        query.Client(server.url).artifact(7, "results/a.csv", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_of_artifacts_to_something_that_is_no_address_is_an_error(
    server: HttpServer, tmp_path: Path
) -> None:
    def redirect(handler: Handler) -> bool:
        handler.answer(302, b"", Location=f"http://{'a' * 64}.example.org/a.csv")
        return True

    server.put(f"{_PROJECT}/jobs/7/artifacts/results/a.csv", handler=redirect)

    with pytest.raises(query.QueryError, match="the artifacts have an invalid address"):
        query.Client(server.url).artifact(7, "results/a.csv", tmp_path)


def test_a_service_that_asks_for_no_wait_is_not_asked_without_end() -> None:
    answer = query.requests.Response()
    answer.headers["Retry-After"] = "0"

    assert query._retry_after(answer, 8.0) == 0.5


def test_settings_without_answers_are_an_error(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert query.main(["configure"]) == 2

    monkeypatch.setattr("builtins.input", lambda _: "")
    monkeypatch.setattr("getpass.getpass", lambda _: "")
    monkeypatch.setenv("PACKMILL_CI_CONFIG", "/proc/none/query.json")
    assert query.main(["configure"]) == 2
    assert "/proc/none/query.json: cannot be written" in capsys.readouterr().err


def _query(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a CI's background job ignores SIGINT
    command = (sys.executable, str(here.parent / "query.py"), *words)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env={**os.environ, **environment}, preexec_fn=heard, **pipes)  # noqa: PLW1509


def test_a_log_with_characters_that_a_terminal_lacks_is_printed(server: HttpServer) -> None:
    _put(server, "/jobs/7/trace", "✓ done\n".encode())

    printed, _ = _query("log", "7", PYTHONIOENCODING="ascii").communicate(timeout=60)
    assert printed == b"? done\n"


@pytest.mark.parametrize("end", ["no answer", "Ctrl-C", "a proxy's timeout"])
def test_a_trigger_whose_answer_does_not_arrive_may_have_started_a_pipeline(end: str) -> None:
    """Somebody who triggers it again at once would have two."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = _query(
            "trigger",
            PACKMILL_CI_URL=f"http://127.0.0.1:{listener.getsockname()[1]}",
            PACKMILL_CI_TRIGGER_TOKEN="of-a-test",
            PACKMILL_CI_CONFIG="/nonexistent",
        )
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(1 << 16).startswith(b"POST ")
            if end == "Ctrl-C":
                process.send_signal(signal.SIGINT)
                process.wait(timeout=60)
            elif end != "no answer":
                connection.sendall(b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n")
    _, printed = process.communicate(timeout=60)

    assert process.returncode == (130 if end == "Ctrl-C" else 2)
    assert b"the service may have received the request" in printed


def test_pages_without_end_are_not_read(server: HttpServer) -> None:
    asked: list[str] = []

    def list_again(handler: Handler) -> bool:
        asked.append(handler.path)
        handler.answer(200, json.dumps([_JOB]).encode(), **{"X-Next-Page": "1"})
        return True

    server.put(f"{_PROJECT}/pipelines/1/jobs", handler=list_again)

    assert query.Client(server.url).jobs(1) == [_JOB]
    assert len(asked) == 1


def test_an_answer_without_end_is_not_kept(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "_LARGEST", 1 << 20)
    _put(server, "/jobs/7/trace", b"x" * (2 << 20))

    with pytest.raises(query.QueryError, match="more than 1 MiB"):
        query.Client(server.url).log(7)


def test_a_redirect_to_something_that_is_no_address_is_an_error(
    server: HttpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    def redirect(handler: Handler) -> bool:
        handler.answer(302, b"", Location="http://[")
        return True

    server.put(f"{_PROJECT}/pipelines/1", handler=redirect)

    assert query.main(["status", "1"]) == 2
    assert "no response from the service" in capsys.readouterr().err
