"""The commands of GitLab's own client, ``glab``, that docs/ci.md lists."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ci_service import ACCESS, TRIGGER, Service

Glab = Callable[..., str]
pytestmark = pytest.mark.skipif(shutil.which("glab") is None, reason="glab is not installed")


@pytest.fixture
def glab(service: Service, tmp_path: Path) -> Glab:
    """Run a command of glab on the project; return what it printed."""
    host = service.url.removeprefix("http://")
    settings = {"GITLAB_TOKEN": ACCESS, "GITLAB_HOST": service.url, "NO_PROMPT": "1", "NO_COLOR": "1"}
    environment = {**os.environ, **settings, "GLAB_CONFIG_DIR": str(tmp_path / "settings")}

    def run(*words: str, project: bool = True) -> str:
        command = ["glab", *words, *(("-R", "ada/toy") if project else ())]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    run("config", "set", "--host", host, "api_protocol", "http", project=False)
    return run


def _number(printed: str) -> int:
    found = re.search(r"ID: (\d+)", printed, re.IGNORECASE)
    assert found, printed
    return int(found[1])


def test_glab_runs_and_follows_pipelines_by_branch(service: Service, glab: Glab, tmp_path: Path) -> None:
    triggered = _number(glab("ci", "run-trig", "-t", TRIGGER, "-b", "main", "--variables", "script:exit 3"))
    assert service.wait(triggered) == "failed"
    number = _number(glab("ci", "run", "-b", "main", "--variables", "script:mkdir out && echo kept > out/a.txt"))
    assert service.wait(number) == "success"

    listed = glab("ci", "list")
    assert f"(failed) • #{triggered}" in listed
    assert f"(success) • #{number}" in listed
    assert json.loads(glab("ci", "get", "-b", "main", "--output", "json"))["id"] == number
    assert "Pipeline state: success" in glab("ci", "status", "-b", "main")
    assert "Job succeeded" in glab("ci", "trace", "one", "-b", "main")
    glab("job", "artifact", "main", "one")
    assert (tmp_path / "out" / "a.txt").read_text() == "kept\n"


def test_glab_changes_jobs_and_pipelines(service: Service, glab: Glab) -> None:
    failed = service.trigger(script="exit 3")
    assert service.wait(failed) == "failed"
    glab("ci", "retry", str(service.jobs(failed)["one"]["id"]))
    assert service.wait(failed) == "failed"
    manual = service.trigger(repository="by hand")
    assert service.wait(manual) == "manual"
    glab("ci", "trigger", str(service.jobs(manual)["by-hand"]["id"]))
    assert service.wait(manual, "success") == "success"
    running = service.trigger(script="sleep 600")
    glab("ci", "cancel", "pipeline", str(running))
    assert service.wait(running) == "canceled"
    glab("ci", "delete", str(running))

    assert service.ask("GET", f"/pipelines/{running}").status_code == 404


def test_glab_makes_runs_and_deletes_schedules(service: Service, glab: Glab) -> None:
    glab("schedule", "create", "--cron", "0 6 * * *", "--description", "by glab", "--ref", "main")
    (made,) = (one["id"] for one in service.get("/pipeline_schedules") if one["description"] == "by glab")
    assert "by glab" in glab("schedule", "list")
    glab("schedule", "run", str(made))
    assert service.wait(service.get(f"/pipeline_schedules/{made}/pipelines")[0]["id"]) == "success"
    glab("schedule", "update", str(made), "--description", "changed")
    assert service.get(f"/pipeline_schedules/{made}")["description"] == "changed"
    glab("schedule", "delete", str(made))

    assert service.ask("GET", f"/pipeline_schedules/{made}").status_code == 404
    assert "ada / toy" in glab("repo", "view", "ada/toy", project=False)
    assert json.loads(glab("api", "projects/1", project=False))["path_with_namespace"] == "ada/toy"
