"""A power loss, as `power_loss.LosableDisk` simulates it: what was accepted or reported as done is there afterwards.

Work loses power at random moments, or where its results are recorded and its files are still in memory, and starts
again on the disk. CI makes one trial of each kind, ``make crash`` fifty.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from builds import digests
from ci_service import PIPELINE_FILE, Service, make_project
from crash_trials import Trials, begin, kill_tree, timed
from forked_programs import PACKMILL, RUNNER, start
from notebook_server import NotebookServer
from power_loss import DiskUnavailableError, LosableDisk, losable_disk
from staging_servers import http_server
from support import Finished, commit_all, git, write_notebook
from waiting import wait_until

from generator.shared import durable_files

pytestmark = pytest.mark.slow
_CONTENT = bytes(range(256)) * 4096
_EMPTY = hashlib.sha256().hexdigest()


@pytest.fixture
def disk() -> Iterator[LosableDisk]:
    """An empty disk; tests are skipped where it cannot be mounted."""
    try:
        with losable_disk() as mounted:
            yield mounted
    except DiskUnavailableError as error:
        pytest.skip(f"a power loss cannot be simulated here: {error}")


def _begin(module: str, words: Sequence[object], *, cwd: Path) -> subprocess.Popen[str]:
    """Start a program whose output goes to ``cwd``."""
    with (cwd / "log.txt").open("a") as log:
        return start(module, *words, cwd=cwd, env=os.environ | {"TMPDIR": str(cwd)}, stdout=log, stderr=log)


def test_the_disk_loses_what_was_not_synced(disk: LosableDisk) -> None:
    """What the other tests build on: a name without its content is what programs leave that only rename."""
    for attempt in range(3):  # another program can have called sync(2) meanwhile
        place = disk.path / str(attempt)
        place.mkdir()
        for name in ("renamed", "synced", "last"):
            (place / f".{name}.new").write_bytes(_CONTENT)
        (place / ".renamed.new").rename(place / "renamed")
        durable_files.replace(place / ".synced.new", place / "synced")
        (place / ".last.new").rename(place / "last")

        disk.lose_power()

        assert (place / "synced").read_bytes() == _CONTENT
        if (place / "renamed").read_bytes() == b"" and not (place / "last").exists():
            return
    pytest.fail("what was not synced is there after a power loss")


def test_everything_of_a_file_system_is_synced_in_one_step(disk: LosableDisk) -> None:
    for n in range(20):
        (disk.path / "many" / str(n)).mkdir(parents=True)
        (disk.path / "many" / str(n) / "file").write_bytes(_CONTENT)

    durable_files.sync_file_system(disk.path)
    disk.lose_power()

    assert all((disk.path / "many" / str(n) / "file").read_bytes() == _CONTENT for n in range(20))


def test_builds(disk: LosableDisk, trials: Trials, tmp_path: Path, repository: Path) -> None:
    packages = disk.path / "packages"
    mine = packages / "ada/trees/main/mine.txt"

    def build() -> subprocess.Popen[str]:
        return _begin(PACKMILL, ("build", repository, "--no-image", "--output", packages), cwd=tmp_path)

    def commit(text: str) -> None:
        write_notebook(repository / "process.ipynb", "x: int = 1", f"# {text}\nprint(x)")
        commit_all(repository, text)

    commit("first")
    duration = timed(build)
    disk.lose_power()
    earlier = digests(packages)
    assert "ada/trees/main/package.json" in earlier
    mine.write_text("mine")
    durable_files.sync_file_system(disk.path)
    for number, moment in enumerate(trials.moments(duration)):
        commit(f"{number}")
        trials.kill(build(), moment)
        disk.lose_power()
        found = {name: one for name, one in digests(packages).items() if "/." not in f"/{name}"}
        found.pop("ada/trees/main/mine.txt", None)  # in a folder with a hidden name until the next build, at worst
        lost = build().wait(300)
        disk.lose_power()
        later = digests(packages)
        lost += later.pop("ada/trees/main/mine.txt", "") != hashlib.sha256(b"mine").hexdigest()
        half = found not in (earlier, later) or later.keys() != earlier.keys() or _EMPTY in later.values()
        trials.note(moment, half=half, lost=lost or later == earlier)
        earlier = later
    trials.report()


def test_publishes(disk: LosableDisk, trials: Trials, tmp_path: Path, repository: Path) -> None:
    write_notebook(repository / "process.ipynb", "x: int = 1")
    commit_all(repository)
    bare = disk.path / "shelf.git"

    def publish() -> subprocess.Popen[str]:
        words = ("build", repository, "--no-image", "--output", tmp_path / "out", "--publish", bare)
        return _begin(PACKMILL, words, cwd=tmp_path)

    def empty() -> None:
        shutil.rmtree(bare, ignore_errors=True)
        subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", bare], check=True)
        durable_files.sync_file_system(disk.path)

    empty()
    duration = timed(publish)
    for moment in trials.moments(duration):
        disk.lose_power()
        broken = _is_broken(bare)
        lost = not broken and int(git(bare, "rev-list", "--count", "main")) != 1
        empty()
        trials.kill(publish(), moment)
        disk.lose_power()
        broken += _is_broken(bare)
        lost += publish().wait(300)
        trials.note(moment, broken=broken, lost=lost, doubled=int(git(bare, "rev-list", "--count", "main")) - 1)
    trials.report()


def _is_broken(bare: Path) -> int:
    return subprocess.run(["git", "-C", bare, "fsck", "--strict"], capture_output=True, check=False).returncode


def test_stage_ins_with_a_shared_cache(disk: LosableDisk, trials: Trials, tmp_path: Path) -> None:
    with http_server() as web:
        contents = {f"{n}.bin": bytes([n]) * 1000 + _CONTENT * 4 for n in range(3)}
        urls = [web.put(f"/{name}", content) for name, content in contents.items()]

        def stage_in() -> subprocess.Popen[str]:
            shutil.rmtree(tmp_path / "staged", ignore_errors=True)
            options = ("--cache-dir", disk.path / "cache", "--output", tmp_path / "staged")
            return _begin(RUNNER, ("stage-in", *urls, *options), cwd=tmp_path)

        duration = timed(stage_in)
        expected = digests(tmp_path / "staged")
        for moment in trials.moments(duration):
            _sync_names(disk.path / "cache")
            disk.lose_power()
            lost = stage_in().wait(300) or digests(tmp_path / "staged") != expected
            shutil.rmtree(disk.path / "cache")
            trials.kill(stage_in(), moment)
            disk.lose_power()
            lost += stage_in().wait(300) or digests(tmp_path / "staged") != expected
            trials.note(moment, lost=lost)
    trials.report()


def _sync_names(folder: Path) -> None:
    """Write names to the disk whose contents are in memory, as a file system does sooner or later."""
    (folder / "other").write_text("")
    durable_files.sync(folder / "other")
    (folder / "other").unlink()


def test_stage_outs(disk: LosableDisk, trials: Trials, tmp_path: Path) -> None:
    (tmp_path / "results" / "deep").mkdir(parents=True)
    for n in range(5):
        (tmp_path / "results" / "deep" / f"{n}.bin").write_bytes(bytes([n]) + _CONTENT)
    expected = digests(tmp_path / "results")
    target = disk.path / "delivered"

    def stage_out() -> subprocess.Popen[str]:
        return _begin(RUNNER, ("stage-out", tmp_path / "results", target), cwd=tmp_path)

    duration = timed(stage_out)
    disk.lose_power()
    assert expected.items() <= digests(target).items()
    for moment in trials.moments(duration):
        shutil.rmtree(target, ignore_errors=True)
        trials.kill(stage_out(), moment)
        disk.lose_power()
        there = digests(target) if target.is_dir() else {}
        half = any(expected[name] != one for name, one in there.items() if "/." not in f"/{name}")
        lost = stage_out().wait(300)
        disk.lose_power()
        delivered = digests(target)
        lost += not expected.items() <= delivered.items()
        trials.note(moment, half=half, lost=lost, left=len(delivered) - 5)
    trials.report()


def test_maps(
    disk: LosableDisk, trials: Trials, tmp_path: Path, repository: Path, packmill: Callable[..., Finished]
) -> None:
    """Also if the journal is on the disk, and the files of its last rows are not."""
    write_notebook(repository / "process.ipynb", "n: int = 1")
    commit_all(repository)
    package = packmill("build", repository, "--no-image", "--output", tmp_path / "packages").out.strip()
    rows, out = 30, disk.path / "out"
    (tmp_path / "t.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(rows)))

    def begin_map(boot: str, *options: str) -> subprocess.Popen[str]:
        program = Path(__file__).with_name("map_of_rows.py")
        words = (program, package, tmp_path / "t.csv", "--outdir", out, *options)
        return begin(words, cwd=tmp_path, environment={"BOOT_OF_THE_TEST": boot})

    assert begin_map("first").wait(300) == 0
    disk.lose_power()
    expected = digests(out / "rows")
    assert len(expected) == rows * 6
    lost = _results(out) != [(str(n), "succeeded", str(n)) for n in range(1, rows + 1)]
    for moment in trials.moments(rows - 1):  # in rows
        shutil.rmtree(out)
        process = begin_map("second")
        wait_until(lambda: len(list(out.glob("rows/*"))) > moment, interval=0.005)  # noqa: B023 - called at once
        trials.kill(process, 0.0)
        for journal in out.glob(".packmill-map/rows.sqlite*"):
            durable_files.sync(journal)
        disk.lose_power()
        lost += begin_map("third", *(["--resume"] if out.is_dir() else [])).wait(300)
        disk.lose_power()
        lost += _results(out) != [(str(n), "succeeded", str(n)) for n in range(1, rows + 1)]
        trials.note(moment, lost=lost, half=digests(out / "rows") != expected)
    trials.report()


def _results(out: Path) -> list[tuple[str, str, str]]:
    with (out / "results.csv").open(newline="") as file:
        return [(row["row"], row["state"], row["scrap_n"]) for row in csv.DictReader(file)]


def test_pipelines(disk: LosableDisk, trials: Trials, tmp_path: Path) -> None:
    """Those that were accepted, and the artifacts of those that had succeeded."""
    text = PIPELINE_FILE.replace('nothing: ""', 'access_token: ""')
    service = Service(make_project(tmp_path / "ada" / "toy", text), disk.path / "data").start()
    accepted: dict[int, str] = {}

    def trigger() -> int:
        secret = f"token-{len(accepted)}-of-the-test"
        variables = {"script": "mkdir out; echo whole > out/a.txt", "later": f'test "$access_token" = {secret}'}
        number = service.trigger(access_token=secret, **variables)
        accepted[number] = secret
        return number

    try:
        began = time.monotonic()
        service.wait(trigger())
        for moment in trials.moments(time.monotonic() - began):
            number = trigger()
            place = f"/packages/generic/tables/{number}/a.csv"
            assert service.ask("PUT", place, data=_CONTENT).status_code == 201
            time.sleep(moment)
            trials.killed += service.get(f"/pipelines/{number}")["status"] != "success"
            assert service.process
            kill_tree(service.process.pid)
            service.process.wait(60)
            disk.lose_power()
            service.start()
            states = [service.wait(one) for one in accepted]
            lost = len(states) - states.count("success")
            jobs = [service.jobs(one)["one"]["id"] for one in accepted]
            half = sum(service.ask("GET", f"/jobs/{one}/artifacts/out/a.txt").text != "whole\n" for one in jobs)
            half += service.ask("GET", place).content != _CONTENT
            doubled = len(service.get("/pipelines?per_page=100")) - len(accepted)
            trials.note(moment, lost=lost, half=half, doubled=doubled)
    finally:
        service.stop()
    trials.report()


def test_served_runs(disk: LosableDisk, trials: Trials, tmp_path: Path) -> None:
    """Accepted runs are there; those that had succeeded are whole, or count as failed."""
    root, data = tmp_path / "root", disk.path / "data"
    write_notebook(root / "mark.ipynb", "x: int = 1\nseconds: float = 0.0", _MARK)
    write_notebook(
        root / "read.ipynb", "text = 'text.csv'  # type: stage-in", "open('out.txt', 'w').write(open(text).read())"
    )
    (root / "text.csv").write_text("default")
    server = NotebookServer(root, data, "--workers", "1").start()
    accepted: dict[str, str] = {}
    held: set[str] = set()

    def accept(text: str, run: str) -> None:
        accepted[run] = text

    def upload() -> str:
        files = {"text": ("text.csv", b"uploaded")}
        answer = server.ask("POST", "/notebooks/read.ipynb/runs", files=files)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    try:
        began = time.monotonic()
        accept("0", server.begin("mark.ipynb", x=0))
        server.wait_for(list(accepted)[-1])
        for moment in trials.moments(time.monotonic() - began):
            x = len(accepted)
            accept(f"{x}", server.begin("mark.ipynb", x=x))
            server.wait_for(list(accepted)[-1])
            holds = server.begin("mark.ipynb", seconds=600.0)  # the only worker
            held.add(holds)
            accept("uploaded", upload())
            time.sleep(moment)
            trials.killed += 1
            assert server.process
            kill_tree(server.process.pid)
            server.process.wait(60)
            disk.lose_power()
            (data / "boot").write_text("an earlier start of the machine")
            server.start()
            server.ask("DELETE", f"/runs/{holds}")
            runs = {run: server.wait_for(run) for run in (*accepted, holds)}
            lost = runs[list(accepted)[-1]]["state"] != "succeeded"
            runs.pop(holds)
            lost += sum(one["state"] != "succeeded" and one["reason"] != "interrupted" for one in runs.values())
            texts = {run: _output(server, run) for run, one in runs.items() if one["state"] == "succeeded"}
            half = sum(text != accepted[run] for run, text in texts.items())
            doubled = len({run["id"] for run in server.get("/runs?limit=500")["runs"]} - accepted.keys() - held)
            trials.note(moment, lost=lost, half=half, doubled=doubled)
    finally:
        server.stop(signal.SIGTERM)
    trials.report()


_MARK = "import time\ntime.sleep(seconds)\nopen('out.txt', 'w').write(str(x))"


def _output(server: NotebookServer, run: str) -> str:
    return server.ask("GET", f"/runs/{run}/outputs/out.txt").text
