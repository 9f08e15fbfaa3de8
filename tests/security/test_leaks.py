"""What pipelines and served runs with every kind of secret leave behind: files, logs, databases and command lines."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from ci_service import PIPELINE_FILE, Service, make_project
from notebook_server import NotebookServer
from support import write_notebook

VARIABLES = 'variables:\n  inputs: ""\n  SERVICE_TOKEN: ""\n  DATABASE_PASSWORD: ""\n'
FILE = PIPELINE_FILE.replace("variables:\n", VARIABLES, 1)
SCRIPT = 'env; ulimit -c; echo "$inputs"; for a in "$SERVICE_TOKEN" "$DATABASE_PASSWORD"; do echo "<$a>"; done; exit 1'
MARKED = "marked{}-0f3a9c17d2e84b65"
"""A secret; its number is that of its kind."""


def _secret(kind: str) -> str:
    return f"{kind}-{MARKED.format(len(kind))}"


OPERATOR = {
    "PACKMILL_CI_TRIGGER_TOKEN": _secret("trigger"),
    "PACKMILL_CI_ACCESS_TOKEN": _secret("access"),
    "PACKMILL_GIT_TOKEN": _secret("git"),
    "PACKMILL_GIT_HOST": "git.example.org",
    "PACKMILL_REGISTRY_PASSWORD": _secret("registry"),
    "PACKMILL_REGISTRY_USER": "ada",
    "PACKMILL_REGISTRY_HOST": "registry.example.org",
    "PACKMILL_PUBLISH_TOKEN": _secret("publish"),
    "PACKMILL_PUBLISH_HOST": "git.example.org",
    "PACKMILL_DEPLOY_TOKEN": _secret("deploy"),
    "PACKMILL_DEPLOY_HOST": "platform.example.org",
    "PACKMILL_SIGN_KEY": _secret("sign-key"),
    "PACKMILL_SIGN_PASSWORD": _secret("sign"),
    "UNRELATED_CLOUD_KEY": _secret("unrelated"),
}
RUN = {
    "inputs": json.dumps(
        {
            "api_key": _secret("run-secret"),
            "stage_in": {"access_key_id": "AKIA-a-name", "secret_access_key": _secret("stage-in-key")},
            "stage_out": {"password": _secret("stage-out")},
        }
    ),
    "SERVICE_TOKEN": _secret("variable"),
    "DATABASE_PASSWORD": _secret("database"),
    "repository": f"https://ada:{_secret('address')}@example.org/x.git?sig={_secret('signature')}",
}
SECRET = re.compile(rb"[a-z-]+-marked\d+-0f3a9c17d2e84b65")


@contextmanager
def _sampled_command_lines() -> Iterator[set[bytes]]:
    """The secrets in the command lines of all processes, looked at as often as possible in the meantime."""
    found, over = set[bytes](), threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    found.update(SECRET.findall(process.read_bytes()))
                except OSError:  # it has ended
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _files_with_secrets(folder: Path) -> dict[str, set[bytes]]:
    """The files that hold a secret, or whose names do."""
    found = {}
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        if secrets := set(SECRET.findall(content + os.fsencode(path.name))):
            found[str(path.relative_to(folder))] = secrets
    return found


def test_a_pipeline_with_every_kind_of_secret_leaves_none(tmp_path: Path) -> None:
    service = Service(make_project(tmp_path / "ada" / "toy", FILE), tmp_path / "all" / "data", fresh=True)
    service.environment |= OPERATOR
    access, hook = OPERATOR["PACKMILL_CI_ACCESS_TOKEN"], {"url": f"http://ada:{_secret('hook-address')}@127.0.0.1:9/"}
    form = {f"variables[{name}]": value for name, value in {**RUN, "script": SCRIPT}.items()}
    with _sampled_command_lines() as seen:
        service.start()
        try:
            asked = {"token": OPERATOR["PACKMILL_CI_TRIGGER_TOKEN"], "ref": "main", **form}
            number = requests.post(f"{service.root}/trigger/pipeline", data=asked, timeout=60).json()["id"]
            service.ask("POST", "/hooks", token=access, data={**hook, "token": _secret("hook"), "job_events": "true"})
            schedule = {"description": "d", "ref": "main", "cron": "@daily"}
            schedule |= {f"variables[{name}]": value for name, value in RUN.items()}
            service.ask("POST", "/pipeline_schedules", token=access, data=schedule)
            session = requests.Session()
            session.post(f"{service.url}/-/sign-in", data={"token": access}, timeout=60)
            while service.get(f"/pipelines/{number}", token=access)["status"] not in ("failed", "success"):
                threading.Event().wait(0.1)
            job = next(
                one["id"] for one in service.get(f"/pipelines/{number}/jobs", token=access) if one["name"] == "one"
            )
            trace = service.ask("GET", f"/jobs/{job}/trace", token=access).text
            kept = _files_with_secrets(service.data.parent)
            modes = {(service.data.parent / name).stat().st_mode & 0o077 for name in kept}
            for path in (f"/pipelines/{number}", "/hooks/1", "/pipeline_schedules/1"):
                assert service.ask("DELETE", path, token=access).status_code == 204
        finally:
            service.stop()

    assert "SERVICE_TOKEN=" in trace, "the job did print its environment"
    assert "\n0\n" in trace, "no core dumps"
    assert _secret("unrelated") not in trace
    assert {name.partition("/")[2].partition("/")[0] for name in kept} == {"values", "hooks", "schedules"}
    assert modes == {0}
    assert _files_with_secrets(service.data.parent) == {}
    assert seen == set()


def test_a_served_run_with_secrets_leaves_none(tmp_path: Path) -> None:
    cell = "secret = ''  # type: secret\nother = 1"
    write_notebook(
        tmp_path / "root" / "a.ipynb",
        cell,
        "assert 'marked' in secret\nprint(len(secret))",
        "import resource\nassert resource.getrlimit(resource.RLIMIT_CORE) == (1, 1)",
    )
    write_notebook(tmp_path / "root" / "fails.ipynb", cell, "1 / (other - 1)")
    given = {"fresh": True, "PACKMILL_SERVE_TOKENS": f"ada:admin:{_secret('served-token')}"}
    server = NotebookServer(tmp_path / "root", tmp_path / "all" / "data", "--workers", "1", **given)
    headers = {"Authorization": f"Bearer {_secret('served-token')}"}
    with _sampled_command_lines() as seen:
        server.start()
        try:
            server.ask("POST", "/sign-in", data={"token": _secret("served-token")})
            for notebook, state in (("a.ipynb", "succeeded"), ("fails.ipynb", "failed")):
                body = {"notebook": notebook, "parameters": {"secret": _secret("of-a-run")}}
                result = server.ask("POST", "/runs?wait=120", json=body, headers=headers).json()
                assert result["run"]["state"] == state, result
            left = _files_with_secrets(tmp_path / "all")
        finally:
            server.stop()

    assert left == {}
    assert _files_with_secrets(tmp_path / "all") == {}
    assert seen == set()
