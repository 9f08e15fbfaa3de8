"""A real Apache Airflow that ``scripts/test-airflow`` installs: API server, scheduler and DAG processor on loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import requests
from ports import free_port
from support import here
from waiting import wait_until

environment = Path(sys.prefix) / "airflow"
"""Airflow's virtual environment."""
_ENDED = ("success", "failed")


class Airflow:
    """An Airflow with a home of its own; its programs are stopped by their process ids."""

    def __init__(self, home: Path) -> None:
        if not (environment / "requirements.txt").exists():
            pytest.skip("Airflow is not installed here; scripts/test-programs installs it")
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.files = home / "packmill"
        (home / "dags").mkdir(parents=True)
        for name in ("airflow.cfg", "airflow.db"):  # else every program would write the first, and migrate the second
            shutil.copy(environment / "home" / name, home)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._headers: dict[str, str] = {}

    @property
    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(here.parent),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "dags"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of the tests, which is long enough: 64 characters of it",
            "AIRFLOW_VAR_ADA_TREES_MAIN_DEEP_SECRET_SECRET_TOKEN": "hush-hush",
        }

    def add(self, files: Iterable[Path]) -> None:
        """Copy DAGs to Airflow."""
        for file in files:
            shutil.copy(file, self.home / "dags")

    def start(self) -> Airflow:
        """Start the programs, and wait for the API and for the DAGs."""
        self._run("api-server", "--host", "127.0.0.1", "--port", str(self.port))
        self._run("dag-processor")
        self._run("scheduler", "--skip-serve-logs")
        wait_until(self._logs_in, interval=0.5, message="Airflow's API answers")
        count = len(list((self.home / "dags").glob("*.py")))
        wait_until(
            lambda: len(self.get("dags")["dags"]) + len(self.get("importErrors")["import_errors"]) >= count,
            interval=0.5,
            message="Airflow has read the DAGs",
        )
        return self

    def _run(self, *words: str) -> None:
        with (self.home / f"{words[0]}.log").open("wb") as log:
            command = [str(environment / "bin" / "airflow"), *words]
            self._processes.append(
                subprocess.Popen(
                    command, env=self._environment, cwd=self.home, stdout=log, stderr=log, start_new_session=True
                )
            )

    def _logs_in(self) -> bool:
        for process in self._processes:
            assert process.poll() is None, self.logs()
        try:
            token = requests.get(f"{self.url}/auth/token", timeout=60).json()["access_token"]
        except requests.ConnectionError:
            return False
        self._headers = {"Authorization": f"Bearer {token}"}
        return True

    def logs(self) -> str:
        """Return the end of every program's log."""
        return "\n".join(f"{path.name}\n{path.read_text()[-2000:]}" for path in self.home.glob("*.log"))

    def stop(self) -> None:
        """Stop all programs; their own way to end takes ten seconds."""
        for process in self._processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call the API."""
        return requests.request(method, f"{self.url}/api/v2/{path}", headers=self._headers, timeout=300, **options)

    def get(self, path: str) -> Any:
        """Return an object of the API."""
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def trigger(self, dag: str, **conf: Any) -> Run:
        """Start a run without a logical date."""
        answer = self.ask("POST", f"dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf})
        assert answer.status_code == 200, answer.text
        return Run(self, dag, answer.json()["dag_run_id"])

    def python(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run a program of Python in Airflow's environment."""
        command = [str(environment / "bin" / "python"), "-c", program]
        return subprocess.run(
            command, env=self._environment, cwd=self.home, capture_output=True, text=True, check=False, timeout=300
        )

    def test(self, dag: str, file: str, conf: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """Run a DAG by ``airflow dags test``, in a database of its own: a scheduler would run its tasks, too."""
        database = self.home / "test.db"
        shutil.copy(environment / "home" / "airflow.db", database)
        words = ["dags", "test", dag, "--dagfile-path", str(self.home / "dags" / file), "--conf", json.dumps(conf)]
        return subprocess.run(
            [str(environment / "bin" / "airflow"), *words],
            env=self._environment | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}"},
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


class Run:
    """A run of a DAG."""

    def __init__(self, airflow: Airflow, dag: str, name: str) -> None:
        self._airflow, self._path = airflow, f"dags/{dag}/dagRuns/{name}"

    def end(self) -> str:
        """Wait for the end and return the state."""
        return str(wait_until(self._ended, interval=0.5, message=f"the end of {self._path}"))

    def _ended(self) -> str:
        state = self._airflow.get(self._path)["state"]
        return state if state in _ENDED else ""

    def states(self) -> dict[str, str]:
        """Return the state of each task."""
        tasks = self._airflow.get(f"{self._path}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in tasks}

    def result(self, task: str) -> Any:
        """Return what a task returned."""
        return self._airflow.get(f"{self._path}/taskInstances/{task}/xcomEntries/return_value")["value"]

    def report(self) -> str:
        """Describe why a run ended as it did: the state of each task, and the logs of those that started."""
        tasks = self._airflow.get(f"{self._path}/taskInstances")["task_instances"]
        started = [task["task_id"] for task in tasks if task["try_number"]]
        logs = {task: self._airflow.ask("GET", f"{self._path}/taskInstances/{task}/logs/1").text for task in started}
        return json.dumps({"states": self.states(), "logs": logs})

    def log(self, task: str) -> str:
        """Return the log of a task's first try."""
        return json.dumps(self._airflow.get(f"{self._path}/taskInstances/{task}/logs/1?full_content=true"))
