"""``query.py`` as people type it, and as a module."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ci_service import ACCESS, TRIGGER, Service
from support import here

sys.path.insert(0, str(here.parent))
import query

_Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(service: Service, tmp_path: Path) -> _Run:
    """Runs query.py with the service's address and tokens in the environment."""

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        known = {
            "PACKMILL_CI_URL": service.url, "PACKMILL_CI_TRIGGER_TOKEN": TRIGGER, "PACKMILL_CI_ACCESS_TOKEN": ACCESS,
            "PACKMILL_CI_CONFIG": str(tmp_path / "query.json"),
        }  # fmt: skip
        command = [sys.executable, str(here.parent / "query.py"), *words]
        surroundings = {**os.environ, **known, **environment}
        return subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False)

    return run


def test_a_pipeline_is_started_and_followed_to_its_end(run: _Run) -> None:
    done = run("trigger", "--repository", "https://x/y.git", "--variable", "script=sleep 2", "--wait")

    assert done.returncode == 0, done.stderr
    assert "one: running" in done.stderr
    assert "two: success" in done.stderr
    assert done.stdout.startswith("pipeline ")
    assert "success" in done.stdout


def test_the_exit_code_follows_the_pipeline_and_the_log_says_why(run: _Run) -> None:
    done = run("trigger", "--variable", "script=echo the reason; exit 14", "--wait", "--json")

    assert done.returncode == 1
    pipeline = json.loads(done.stdout)
    assert (pipeline["status"], pipeline["jobs"][0]["failure_reason"]) == ("failed", "script_failure")
    plain = run("status", str(pipeline["id"]), "--wait")
    assert plain.returncode == 1
    assert "the reason" in plain.stderr
    assert "exit code 14" in plain.stderr
    assert "\x1b" not in plain.stderr


def test_what_the_options_say_becomes_variables(run: _Run, service: Service) -> None:
    done = run(
        "trigger", "--repository", "https://x/y.git", "--checkout", "v1", "--process", "a.ipynb",
        "--process", "b.ipynb", "--env", "binder", "--variable", "nothing=a=b", "--json",
    )  # fmt: skip
    variables = service.get(f"/pipelines/{json.loads(done.stdout)['id']}/variables")

    assert {one["key"]: one["value"] for one in variables} == {
        "repository": "https://x/y.git",
        "checkout": "v1",
        "process": "a.ipynb\nb.ipynb",
        "env": "binder",
        "nothing": "a=b",
    }


def test_jobs_logs_and_artifacts(run: _Run, service: Service, tmp_path: Path) -> None:
    number = service.trigger(script="echo hello; mkdir -p out; echo kept > out/a.txt")
    service.wait(number)
    job = service.jobs(number)["one"]["id"]

    assert f"{job}  one" in " ".join(run("jobs", "--scope", "success").stdout.split("      "))
    log = run("log", str(job)).stdout
    assert "hello\n" in log
    assert "\x1b" not in log
    assert "section_start" not in log
    done = run("artifacts", str(number), "--output", "here")
    assert done.stdout == "here/out/a.txt\n"
    assert (tmp_path / "here/out/a.txt").read_text() == "kept\n"
    assert run("artifacts", str(number), "--job", "two").returncode == 2


def test_a_log_is_followed_while_it_is_written(run: _Run, service: Service) -> None:
    number = service.trigger(script="for i in 1 2 3; do echo line $i; sleep 0.5; done")
    service.wait(number, "running")

    followed = run("log", str(service.jobs(number)["one"]["id"]), "--follow").stdout
    assert [line for line in followed.splitlines() if line.startswith("line")] == ["line 1", "line 2", "line 3"]
    assert "Job succeeded" in followed


def test_a_log_cannot_write_to_the_terminal_what_it_likes() -> None:
    hostile = b"\x1b]0;title\x07\x1b[2J\x1b[1;31mred\x1b[0m\x9b31m\x08\x08\r\n"

    assert query._for_terminal(hostile) == "\x1b[1;31mred\x1b[0m�31m\n"
    assert query._plain(hostile) == "red�31m\n"


def test_canceling_and_retrying(run: _Run, service: Service) -> None:
    number = service.trigger(script="sleep 60")
    service.wait(number, "running")

    assert run("cancel", str(number)).returncode == 0
    assert service.wait(number) == "canceled"
    assert run("retry", str(number)).returncode == 0
    service.wait(number, "running", "pending")
    run("cancel", str(number))


def test_a_retry_waits_for_the_end_of_jobs_that_are_being_canceled(run: _Run, service: Service) -> None:
    number = service.trigger(script="trap 'sleep 2; exit 1' TERM; sleep 60 & wait")
    service.wait(number, "running")
    run("cancel", str(number))

    retried = run("retry", str(number))

    assert retried.returncode == 0
    assert "being canceled" in retried.stderr
    service.wait(number, "running")
    run("cancel", str(number))


def test_an_output_on_a_full_disk_is_no_failure_of_the_pipeline(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKMILL_CI_URL", service.url)
    monkeypatch.setenv("PACKMILL_CI_TRIGGER_TOKEN", TRIGGER)
    monkeypatch.setenv("PACKMILL_CI_CONFIG", str(tmp_path / "none"))
    command = [sys.executable, str(here.parent / "query.py"), "trigger"]

    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 2
    assert "query.py: the output: No space left on device" in done.stderr
    assert re.search(r"pipeline (\d+) continues; follow it with: query.py status \1 --wait", done.stderr)
    assert "Traceback" not in done.stderr


def test_ctrl_c_leaves_the_pipeline_alone_and_says_how_to_come_back(
    run: _Run, service: Service, tmp_path: Path
) -> None:
    environment = {**os.environ, "PACKMILL_CI_URL": service.url, "PACKMILL_CI_TRIGGER_TOKEN": TRIGGER}
    environment |= {"PACKMILL_CI_ACCESS_TOKEN": ACCESS, "PACKMILL_CI_CONFIG": str(tmp_path / "none")}
    command = [sys.executable, str(here.parent / "query.py"), "trigger", "--variable", "script=sleep 2", "--wait"]
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a CI's background job ignores SIGINT
    process = subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=heard,  # noqa: PLW1509 - no threads are at work here
    )
    assert process.stderr is not None
    begun = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)

    assert process.returncode == 130
    assert "continues; follow it with: query.py status" in said
    number = int(begun.split("pipeline ")[1].split(":")[0])
    assert service.wait(number) == "success"


@pytest.mark.parametrize(
    ("words", "environment", "message"),
    [
        (("trigger",), {"PACKMILL_CI_TRIGGER_TOKEN": ""}, "trigger token missing"),
        (("trigger",), {"PACKMILL_CI_TRIGGER_TOKEN": "wrong"}, "404"),
        (("status", "1"), {"PACKMILL_CI_ACCESS_TOKEN": ""}, "401 Unauthorized"),
        (("status", "99999"), {}, "check the number"),
        (("--ref", "nowhere", "trigger"), {}, "Reference not found"),
        (("trigger", "--variable", "a-b=c"), {}, "write NAME=VALUE"),
        (("status", "1"), {"PACKMILL_CI_URL": "http://127.0.0.1:9"}, "no response from the service"),
    ],
)
def test_what_goes_wrong_is_said_with_what_to_do(
    run: _Run, words: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    done = run(*words, **environment)

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_come_from_a_file_that_nobody_else_can_read(run: _Run, service: Service, tmp_path: Path) -> None:
    file = tmp_path / "query.json"
    file.write_text(json.dumps({"url": service.url, "trigger_token": TRIGGER, "access_token": ACCESS}))
    file.chmod(0o644)
    empty = {"PACKMILL_CI_URL": "", "PACKMILL_CI_TRIGGER_TOKEN": "", "PACKMILL_CI_ACCESS_TOKEN": ""}
    refused = run("trigger", **empty)
    assert refused.returncode == 2
    assert f"chmod 600 {file}" in refused.stderr

    file.chmod(0o600)
    assert run("trigger", "--wait", **empty).returncode == 0


@pytest.mark.parametrize("behind", [False, True])
def test_address_and_tokens_can_be_options_before_the_command_or_behind(
    run: _Run, service: Service, behind: bool
) -> None:
    options = ("--url", service.url, "--project", "ada/toy", "--trigger-token", TRIGGER, "--access-token", ACCESS)
    nothing = {"PACKMILL_CI_URL": "http://127.0.0.1:9", "PACKMILL_CI_TRIGGER_TOKEN": "", "PACKMILL_CI_ACCESS_TOKEN": ""}
    words = ("trigger", "--wait", *options) if behind else (*options, "trigger", "--wait")

    assert run(*words, **nothing).returncode == 0


def test_the_examples_hold_no_token() -> None:
    for document in (here.parent / "README.md", *(here.parent / "docs").glob("*.md")):
        assert not re.search(r"--(trigger|access)-token|gl(pat|ptt)-", document.read_text(encoding="utf-8")), document


def test_it_is_a_python_client_too(service: Service) -> None:
    client = query.Client(service.url, "ada/toy", trigger_token=TRIGGER, access_token=ACCESS)
    pipeline = client.trigger({"script": "echo from python"})

    assert client.wait(pipeline["id"])["status"] == "success"
    job = client.jobs(pipeline["id"])[0]
    assert b"from python" in b"".join(client.follow(job["id"]))


def test_it_needs_requests_alone() -> None:
    shown = "[m for m in sys.modules if m.startswith('generator')]"
    code = f"import sys; sys.path.insert(0, '.'); import query; print({shown})"
    done = subprocess.run([sys.executable, "-c", code], cwd=here.parent, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
