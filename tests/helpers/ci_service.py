"""A real service in a process of its own, on a project whose jobs do what a test asks for."""

from __future__ import annotations

import functools
import os
import resource
import signal
import subprocess
from pathlib import Path
from typing import Any

import requests
from forked_programs import PACKMILL, start
from ports import free_port
from support import commit_all, here
from waiting import wait_until

TRIGGER, ACCESS = "trigger-token-of-the-tests", "access-token-of-the-tests"
PIPELINE_FILE = """\
stages: [first, second, third]
workflow:
  name: toy of ${repository}
  rules:
    - if: $nothing == "yes"
      when: never
    - when: always
variables:
  repository: {value: "", description: whose turn it is}
  script: {value: "true", description: what the first job does}
  later: {value: "true", description: what the second job does}
  nothing: ""
one:
  stage: first
  script:
    - bash -c "$script"
  artifacts:
    paths: [out/]
    when: always
    reports: {junit: report.xml, dotenv: made.env}
quick:
  stage: first
  timeout: 1 second
  rules:
    - if: $repository == "too long"
  script: [sleep 60]
short-lived:
  stage: first
  rules:
    - if: $repository == "short lived"
  script: [mkdir out, echo gone soon > out/a.txt]
  artifacts:
    paths: [out/]
    expire_in: 1 second
may-fail:
  stage: first
  rules:
    - if: $repository == "may fail"
  allow_failure: true
  script: [mkdir out, echo kept > out/a.txt, exit 3]
  artifacts:
    paths: [out/]
    when: always
two:
  stage: second
  script:
    - bash -c "$later"
by-hand:
  stage: third
  rules:
    - if: $repository == "by hand"
      when: manual
  script: [echo pressed]
"""


class Service:
    """``packmill serve``, started and stopped by its own process id."""

    def __init__(
        self,
        project: Path,
        data: Path,
        *options: str,
        path: str = "ada/toy",
        database: str | None = None,
        fresh: bool = False,
        open_files: int | None = None,
        log: Path | None = None,
    ) -> None:
        """Prepare a service; ``open_files`` is the soft limit of open files that it is started with.

        What it prints is written to ``log``, by default a file next to the data.
        """
        self.port = free_port()
        self.data, self.url = data, f"http://127.0.0.1:{self.port}"
        self.root = f"{self.url}/api/v4/projects/1"
        self._words = ["serve", "--project", project, "--data", data, "--port", self.port, "--project-path", path]
        self._words += options
        tokens = {"PACKMILL_CI_TRIGGER_TOKEN": TRIGGER, "PACKMILL_CI_ACCESS_TOKEN": ACCESS}
        self.environment = {**os.environ, **tokens, **({"PACKMILL_DATABASE": database} if database else {})}
        self._fresh, self._open_files = fresh, open_files
        self._log = log or data.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Service:
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            given: dict[str, Any] = {"env": self.environment, "stdout": log, "stderr": log, "fresh": self._fresh}
            if self._open_files is not None:
                limits = (self._open_files, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
                given["preexec_fn"] = functools.partial(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
            self.process = start(PACKMILL, *self._words, cwd=here.parent, **given)
        wait_until(self._answers, message="the service answers")
        return self

    def _answers(self) -> bool:
        try:
            requests.get(f"{self.url}/-/sign-in", timeout=60)
        except requests.ConnectionError:
            assert self.process is not None
            assert self.process.poll() is None, self._log.read_text()
            return False
        return True

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process:
            self.process.send_signal(number)
            self.process.wait(timeout=120)

    def ask(self, method: str, path: str, *, token: str = ACCESS, **options: Any) -> requests.Response:
        headers = {"PRIVATE-TOKEN": token, **options.pop("headers", {})} if token else options.pop("headers", {})
        return requests.request(method, self.root + path, headers=headers, timeout=120, **options)

    def get(self, path: str, **options: Any) -> Any:
        answer = self.ask("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def trigger(self, **variables: str) -> int:
        form = {f"variables[{name}]": value for name, value in variables.items()}
        answer = self.ask("POST", "/trigger/pipeline", token="", data={**form, "token": TRIGGER, "ref": "main"})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def wait(self, pipeline: int, *statuses: str, seconds: float = 300, interval: float = 0.05) -> str:
        """Waits until a pipeline is over, or in one of some states."""
        wanted = statuses or ("success", "failed", "canceled", "skipped", "manual")

        def status_if_wanted() -> str:
            status = str(self.get(f"/pipelines/{pipeline}")["status"])
            return status if status in wanted else ""

        message = f"pipeline {pipeline} is {' or '.join(wanted)}"
        return wait_until(status_if_wanted, seconds=seconds, interval=interval, message=message)

    def jobs(self, pipeline: int) -> dict[str, dict[str, Any]]:
        return {job["name"]: job for job in self.get(f"/pipelines/{pipeline}/jobs")}

    def trace(self, job: int) -> str:
        return self.ask("GET", f"/jobs/{job}/trace").text


def make_project(folder: Path, text: str = PIPELINE_FILE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitlab-ci.yml").write_text(text)
    commit_all(folder, "A pipeline")
    return folder
