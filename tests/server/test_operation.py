"""Operation of the runner's server: health, metrics, logs, shutdown, retention and full disks."""

from __future__ import annotations

import argparse
import configparser
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from notebook_server import NotebookServer, write_notebooks
from prometheus_client.parser import text_string_to_metric_families
from small_disks import mounted_disk
from support import here, write_notebook
from waiting import wait_until

from generator.runner.server import machine

ADMIN, RUNNER = "admin-0123456789abcdefghij", "runner-0123456789abcdefghij"
BODY = {"notebook": "double.ipynb", "parameters": {"x": 987654321}}


def bearer(token: str = ADMIN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("operated")
    write_notebooks(folder / "root")
    tokens = f"admin:admin:{ADMIN} runner:run:{RUNNER}"
    options = ("--workers", "1", "--log-format", "json")
    running = NotebookServer(folder / "root", folder / "data", *options, PACKMILL_SERVE_TOKENS=tokens).start()
    yield running
    running.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_notebooks(tmp_path / "root")
    return tmp_path


def log_lines(server: NotebookServer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]


def test_health_shows_figures_to_those_who_may_read(operated: NotebookServer) -> None:
    health = operated.ask("GET", "/health", headers=bearer())

    assert health.status_code == 200
    assert health.json()["status"] == "ok"
    assert health.json()["workers"] == {"alive": 1, "busy": 0}
    assert health.json()["queue"] == {"queued": 0, "limit": 100}
    assert health.json()["disk"]["free_bytes"] > 0
    assert operated.get("/health") == operated.get("/health/live") == {"status": "ok"}


def metrics(server: NotebookServer) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = server.ask("GET", "/metrics", headers=bearer()).text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_count_runs_kernels_and_requests(operated: NotebookServer) -> None:
    def value(found: dict[Any, float], name: str, **labels: str) -> float:
        return found.get((name, frozenset(labels.items())), 0.0)

    before = metrics(operated)
    operated.ask("POST", "/runs?wait=60", json=BODY, headers=bearer())
    operated.ask("POST", "/runs?wait=60", json={"notebook": "fails.ipynb"}, headers=bearer())
    operated.ask("GET", "/runs/missing", headers=bearer())
    after = metrics(operated)

    def growth(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert growth("packmill_runs_total", notebook="double.ipynb", state="succeeded") == 1
    assert growth("packmill_runs_total", notebook="fails.ipynb", state="failed") == 1
    assert growth("packmill_run_failures_total", reason="cell-error") == 1
    assert growth("packmill_run_seconds_count", notebook="double.ipynb") == 1
    assert growth("packmill_http_requests_total", method="POST", route="/runs", status="200") == 2
    assert growth("packmill_http_requests_total", method="GET", route="/runs/{run_id}", status="404") == 1
    assert sum(after[key] - before.get(key, 0) for key in after if key[0] == "packmill_kernels_total") == 2
    assert value(after, "packmill_workers") == 1
    assert value(after, "packmill_worker_memory_bytes") > 10 << 20


def test_metrics_need_a_token_that_sees_all_runs(operated: NotebookServer) -> None:
    assert operated.ask("GET", "/metrics").status_code == 401
    assert operated.ask("GET", "/metrics", headers=bearer(RUNNER)).status_code == 403


def test_logs_have_a_line_for_each_request_and_run_and_no_values(operated: NotebookServer) -> None:
    headers = {**bearer(RUNNER), "X-Request-ID": "order-7"}
    answer = operated.ask("POST", "/runs?wait=60&secret=hush", json=BODY, headers=headers)
    run = answer.json()["run"]["id"]

    def lines() -> list[dict[str, Any]]:
        return [line for line in log_lines(operated) if line.get("id") in ("order-7", run)]

    wait_until(lambda: len(lines()) == 2, message="both lines are written")
    by_event = {line["event"]: line for line in lines()}
    assert by_event["request"] | {"ms": 0, "time": 0} == {
        "time": 0,
        "level": "info",
        "event": "request",
        "id": "order-7",
        "method": "POST",
        "path": "/runs",
        "status": 200,
        "ms": 0,
        "by": "runner",
    }
    assert by_event["run"]["notebook"] == "double.ipynb"
    assert by_event["run"]["state"] == "succeeded"
    text = operated.log.read_text()
    assert not any(secret in text for secret in ("987654321", "hush", ADMIN, RUNNER))


@pytest.mark.parametrize(("given", "kept"), [("trace.1-2_3", True), ("two words", False), ("x" * 200, False)])
def test_a_request_keeps_its_id(operated: NotebookServer, given: str, kept: bool) -> None:
    answered = operated.ask("GET", "/health", headers={"X-Request-ID": given}).headers["X-Request-ID"]

    assert (answered == given) is kept


def test_a_path_cannot_forge_a_line_of_the_log(folder: Path) -> None:
    server = NotebookServer(folder / "root", folder / "data", "--workers", "1").start()
    try:
        server.ask("GET", "/x%0A2026-01-01%20info%20run%20state=forged")
    finally:
        server.stop()

    lines = server.log.read_text().splitlines()
    assert any('path="/x\\n2026-01-01 info run state=forged"' in line for line in lines)
    assert not any(line.startswith("2026-01-01") for line in lines)


def follow(server: NotebookServer, run: str, kinds: list[str]) -> threading.Thread:
    def read() -> None:
        kinds.extend(kind for kind, _ in server.events(run))

    thread = threading.Thread(target=read)
    thread.start()
    wait_until(lambda: kinds, message="the stream has begun")
    return thread


def test_a_shutdown_lets_running_runs_finish_and_starts_none(folder: Path) -> None:
    server = NotebookServer(folder / "root", folder / "data", "--workers", "1").start()
    running = server.begin("slow.ipynb", seconds=3)
    server.wait_for(running, "running")
    queued = server.begin("double.ipynb")
    kinds: dict[str, list[str]] = {running: [], queued: []}
    followers = [follow(server, run, kinds[run]) for run in kinds]
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: server.ask("GET", "/health").status_code == 503, message="the server drains")
    refused = [server.ask("POST", "/runs", json=BODY), server.ask("GET", "/run/double.ipynb")]
    still = server.get(f"/runs/{running}")
    code = server.process.wait(timeout=60)
    for follower in followers:
        follower.join(timeout=60)
    server.start()
    try:
        states = [server.wait_for(run)["state"] for run in (running, queued)]
    finally:
        server.stop()

    assert [answer.status_code for answer in refused] in ([503, 503], [503, 404])
    assert "Retry-After" in refused[0].headers
    assert still["state"] == "running"
    assert code == 0
    assert kinds[running][-1] == "ended"
    assert "ended" not in kinds[queued]
    assert states == ["succeeded", "succeeded"]


def test_a_second_signal_interrupts_runs(folder: Path) -> None:
    server = NotebookServer(folder / "root", folder / "data", "--workers", "1").start()
    run = server.begin("slow.ipynb", seconds=600)
    wait_until(lambda: server.get(f"/runs/{run}")["cell"] == 3, message="the run sleeps")
    assert server.process is not None
    server.process.send_signal(signal.SIGINT)
    wait_until(lambda: server.ask("GET", "/health").status_code == 503, message="the server drains")
    server.process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    code = server.process.wait(timeout=60)
    server.start()
    try:
        ended = server.wait_for(run)
    finally:
        server.stop()

    assert code == 0
    assert time.monotonic() - begun < 25, "not the thirty seconds that runs have"
    assert (ended["state"], ended["reason"]) == ("failed", "interrupted")


def run_folder(server: NotebookServer, run: str) -> Path:
    return server.data / "runs" / run[:7] / run


def test_old_runs_are_deleted_with_their_folders_and_keys(folder: Path) -> None:
    server = NotebookServer(folder / "root", folder / "data", "--workers", "1", "--keep", "1s").start()
    try:
        headers = {"Idempotency-Key": "once"}
        first = server.ask("POST", "/runs?wait=60", json=BODY, headers=headers).json()["run"]["id"]
        running = server.begin("slow.ipynb", seconds=60)
        wait_until(lambda: server.ask("GET", f"/runs/{first}").status_code == 404, message="the run is deleted")
        wait_until(lambda: not run_folder(server, first).exists(), message="its folder is removed")
        second = server.ask("POST", "/runs", json=BODY, headers=headers).headers["Location"]
        assert server.get(f"/runs/{running}")["state"] == "running"
        assert run_folder(server, running).is_dir()
        server.ask("DELETE", f"/runs/{running}")
    finally:
        server.stop()

    assert second != f"/runs/{first}"


def test_runs_beyond_the_size_and_orphaned_folders_are_deleted_at_the_start(folder: Path) -> None:
    server = NotebookServer(folder / "root", folder / "data", "--workers", "1").start()
    old, new = (server.run("double.ipynb")["run"]["id"] for _ in range(2))
    server.stop()
    orphan = run_folder(server, f"{int((time.time() - 100_000) * 1000):012x}" + "0" * 20)
    shutil.copytree(run_folder(server, old), orphan)
    young = run_folder(server, f"{int(time.time() * 1000):012x}" + "0" * 20)
    young.mkdir(parents=True)
    disk = subprocess.run(["du", "-sk", run_folder(server, new)], capture_output=True, text=True, check=True)
    kibibytes = int(disk.stdout.split()[0])
    small = NotebookServer(
        folder / "root", folder / "data", "--workers", "1", "--keep-size", f"{kibibytes * 3 // 2}K"
    ).start()
    try:
        wait_until(lambda: not run_folder(server, old).exists() and not orphan.exists(), message="both are removed")
        statuses = [small.ask("GET", f"/runs/{run}").status_code for run in (old, new)]
    finally:
        small.stop()

    assert statuses == [404, 200]
    assert run_folder(server, new).is_dir()
    assert young.is_dir(), "its request may still be uploading"


def change_rows(server: NotebookServer, statement: str) -> None:
    with closing(sqlite3.connect(server.data / "runs.sqlite", isolation_level=None)) as database:
        database.execute(statement)


def test_an_unexpected_error_is_described_in_the_log_alone_and_ends_no_background_work(folder: Path) -> None:
    server = NotebookServer(folder / "root", folder / "data", "--workers", "1").start()
    try:
        server.run("double.ipynb")
        change_rows(server, "UPDATE run SET options = '{', state = 'running', worker = 'gone', cell = 1")
        answer = server.ask("GET", "/runs", headers={"X-Request-ID": "broken-1"})
        wait_until(lambda: 'work="lost runs"' in server.log.read_text(), message="the background work has failed")
        change_rows(server, "DELETE FROM run")
        run = server.begin("slow.ipynb")
        wait_until(lambda: server.get(f"/runs/{run}")["cell"] == 3, message="the run sleeps")
        assert server.process is not None
        process = server.process.pid
        for worker in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            os.kill(int(worker), signal.SIGKILL)
        ended = server.wait_for(run)
    finally:
        server.stop()

    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "broken-1" in answer.json()["detail"]
    assert "JSON" not in answer.text
    text = server.log.read_text()
    assert "error error id=broken-1" in text
    assert "JSONDecodeError" in text
    assert (ended["state"], ended["reason"]) == ("failed", "interrupted")


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    with mounted_disk(folder / "disk", megabytes=3) as disk:
        yield disk


def fill(file: Path) -> None:
    """Write until the disk is full."""
    with file.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(b"x" * 4096)


def test_a_full_disk_is_reported_and_leaves_nothing_half_made(folder: Path, small_disk: Path) -> None:
    server = NotebookServer(folder / "root", small_disk / "data", "--workers", "1", TMPDIR=str(folder)).start()
    try:
        before = server.run("double.ipynb")
        fill(small_disk / "filler")
        refused = server.ask("POST", "/runs", json=BODY)
        health = server.ask("GET", "/health")
        listed = server.get("/runs")["runs"]
        folders = len(list(small_disk.glob("data/runs/*/*")))
        (small_disk / "filler").unlink()
        after = server.run("double.ipynb", x=4)
    finally:
        server.stop()

    assert before["scraps"] == {"y": 2}
    assert refused.status_code == 503
    assert "Retry-After" in refused.headers
    assert "disk" in refused.json()["detail"]
    assert health.status_code == 503
    assert health.json()["problems"] == ["the disk is full"]
    assert [run["id"] for run in listed] == [before["run"]["id"]]
    assert folders == 1
    assert after["scraps"] == {"y": 8}


def test_a_template_on_a_full_disk_is_reported(folder: Path, small_disk: Path) -> None:
    templates = ("--templates", str(small_disk / "templates.sqlite"))
    server = NotebookServer(folder / "root", folder / "data", "--workers", "1", *templates).start()
    try:
        stored = server.ask("POST", "/template", json={"name": "a", "content": "a.ipynb"})
        fill(small_disk / "filler")
        refused = server.ask("POST", "/template", json={"name": "b", "content": "b.ipynb"})
    finally:
        server.stop()

    assert (stored.status_code, refused.status_code) == (200, 503)
    assert "Retry-After" in refused.headers


@pytest.mark.parametrize("printed", [0, 1_500_000])
def test_a_run_that_fills_the_disk_fails_and_later_ones_run(printed: int, folder: Path, small_disk: Path) -> None:
    cell = f"print('x' * {printed})\nopen('big', 'wb').write(b'x' * 9_000_000)"
    write_notebook(folder / "root" / "fills.ipynb", cell)
    server = NotebookServer(folder / "root", small_disk / "data", "--workers", "1", TMPDIR=str(folder)).start()
    try:
        failed = server.run("fills.ipynb")["run"]
        listed = server.get(f"/runs/{failed['id']}/outputs/")["outputs"]
        after = server.run("double.ipynb")
    finally:
        server.stop()

    assert failed["state"] == "failed"
    assert failed["note"].endswith("the disk of the server was full, and results of the run were removed")
    assert listed == []
    assert after["scraps"] == {"y": 2}


def test_the_number_of_workers_fits_processors_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_own_groups", lambda: iter([tmp_path]))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 32 << 18}[name])
    assert machine.default_workers() == 16
    (tmp_path / "cpu.max").write_text("400000 100000\n")
    assert machine.default_workers() == 4
    (tmp_path / "memory.max").write_text(f"{3 << 30}\n")
    assert machine.default_workers() == 3
    (tmp_path / "memory.max").write_text(f"{100 << 20}\n")
    assert machine.default_workers() == 1
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.default_workers() == 4


@pytest.mark.parametrize(("quota", "workers"), [("-1", 16), ("250000", 2), ("50000", 1)])
def test_the_number_of_workers_fits_limits_of_version_1_control_groups(
    quota: str, workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 32 << 18}[name])
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")

    assert machine.default_workers() == workers


def test_the_documentation_names_options_variables_and_metrics_that_exist(operated: NotebookServer) -> None:
    text = (here.parent / "docs" / "serving.md").read_text()
    options = serve_options()
    own = text[text.index("## Tokens") :]
    of_others = {"--role", "--expires", "--unix-socket", "--api"}
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", own)) - of_others
    variables = set(re.findall(r"PACKMILL_SERVE_([A-Z_]+)", own)) - {"TOKENS"}
    shown = set(re.findall(r"(?m)^# TYPE (\w+)", operated.ask("GET", "/metrics", headers=bearer()).text))
    assert named <= options
    assert {f"--{name.lower().replace('_', '-')}" for name in variables} <= options
    assert set(re.findall(r"packmill_[a-z_]+", own)) <= shown


def serve_options() -> set[str]:
    from generator.runner.server.options import add_serve

    parser = argparse.ArgumentParser()
    add_serve(parser)
    return set(re.findall(r"--[a-z][a-z-]+", parser.format_help()))


def test_the_examples_for_systemd_and_kubernetes_can_be_read() -> None:
    text = (here.parent / "docs" / "serving.md").read_text()
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(re.search(r"```ini\n(.*?)```", text, re.DOTALL)[1])  # type: ignore[index]
    pod = yaml.safe_load(re.search(r"```yaml\n(apiVersion.*?)```", text, re.DOTALL)[1])  # type: ignore[index]
    container = pod["spec"]["containers"][0]
    given = {one["name"].removeprefix("PACKMILL_SERVE_").lower().replace("_", "-") for one in container["env"]}

    assert set(re.findall(r"--[a-z-]+", unit["Service"]["ExecStart"])) <= serve_options()
    assert container["args"] == ["packmill-runner", "serve"]
    assert {f"--{name}" for name in given - {"tokens"}} <= serve_options()
    assert {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("readiness", "liveness")} == {
        "/health",
        "/health/live",
    }
