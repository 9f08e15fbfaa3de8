"""A real ``packmill-runner serve`` in a process of its own, on a folder of notebooks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from forked_programs import RUNNER, run, start
from ports import free_port
from support import here, write_notebook
from unix_requests import unix_session
from waiting import wait_until

_GLUE = "from packmill import glue\n"


def write_notebooks(root: Path) -> None:
    """The notebooks that the tests of the server run."""
    write_notebook(root / "double.ipynb", "x: int = 1", f"{_GLUE}glue('y', x * 2)\nprint(x)")
    write_notebook(root / "slow.ipynb", "seconds: float = 60", "import time", "time.sleep(seconds)", "print('end')")
    write_notebook(root / "fails.ipynb", "x: int = 1", "print('before')", "1 / (x - x)")
    write_notebook(
        root / "deep" / "files.ipynb",
        "name: str = 'a.txt'",
        "open(name, 'w').write('written')",
        "open('data.txt').read()",
    )
    (root / "deep" / "data.txt").write_text("data")


class NotebookServer:
    """The server, on a port or, with the option ``--socket``, on a socket; stopped by its own process id."""

    def __init__(self, root: Path, data: Path, *options: str, fresh: bool = False, **environment: str) -> None:
        self.port = free_port()
        self.root, self.data, self.url = root, data, f"http://127.0.0.1:{self.port}"
        self.log = data.with_suffix(".log")
        self._socket = Path(options[options.index("--socket") + 1]) if "--socket" in options else None
        self._words = ["serve", "--root", root, "--data", data, "--port", self.port, *options]
        self._fresh = fresh
        self._environment = {**os.environ, **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> NotebookServer:
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            given = {"env": self._environment, "stdout": log, "stderr": log, "fresh": self._fresh}
            self.process = start(RUNNER, *self._words, cwd=here.parent, **given)
        wait_until(self._answers, message="the server answers")
        return self

    def _answers(self) -> bool:
        try:
            self.ask("GET", "/health")
        except requests.ConnectionError:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            return False
        return True

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop the server and return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=120)

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        with requests.Session() if self._socket is None else unix_session(self._socket) as session:
            return session.request(method, self.url + path, timeout=120, allow_redirects=False, **options)

    def get(self, path: str, **options: Any) -> Any:
        answer = self.ask("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def run(self, notebook: str, *, wait: float = 120, **parameters: Any) -> Any:
        """The result of a run, or the state of one that has not ended; ``wait`` in seconds."""
        body = {"notebook": notebook, "parameters": parameters}
        answer = self.ask("POST", f"/runs?wait={wait:g}", json=body)
        assert answer.status_code in (200, 202), answer.text
        return answer.json()

    def begin(self, notebook: str, **parameters: Any) -> str:
        """The id of a run that was started."""
        return str(self.run(notebook, wait=0, **parameters)["id"])

    def wait_for(self, run: str, *states: str, seconds: float = 120) -> Any:
        """Wait until a run is in one of some states, by default until it has ended; its state."""
        wanted = states or ("succeeded", "failed", "dismissed")

        def state_if_wanted() -> Any:
            entity = self.get(f"/runs/{run}")
            return entity if entity["state"] in wanted else None

        return wait_until(state_if_wanted, seconds=seconds, message=f"run {run} is {' or '.join(wanted)}")

    def events(self, run: str) -> Iterator[tuple[str, Any]]:
        """The events of a run, until its end."""
        with requests.get(f"{self.url}/runs/{run}/events", stream=True, timeout=120) as answer:
            kind = ""
            for line in answer.iter_lines(decode_unicode=True):
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: "):
                    yield kind, json.loads(line[6:])


def serve_command(root: Path, data: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A server that does not start."""
    words = ("serve", "--root", root, "--data", data, *options)
    return run(RUNNER, *words, cwd=here.parent, env=os.environ | environment, timeout=60)
