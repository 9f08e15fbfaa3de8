"""Requests that the OpenAPI document of ``packmill serve`` allows, and many that it does not, by schemathesis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from ci_service import ACCESS, TRIGGER, Service, make_project

EXAMPLES = min(200, int(os.environ.get("PACKMILL_FUZZ_EXAMPLES", "2")))
"""Of each operation."""
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a few pipelines, a hook and a schedule, so that requests reach more than 'not found'."""
    folder = tmp_path_factory.mktemp("described")
    project = make_project(folder / "ada" / "toy")
    running = Service(project, folder / "data", "--rate-limit", "1000000").start()
    try:
        for _ in range(3):
            running.wait(running.trigger(script="mkdir out; touch out/a"))
        for _ in range(2):
            running.ask("POST", "/hooks", data={"url": "http://127.0.0.1:9/"})
            running.ask("POST", "/pipeline_schedules", data={"description": "d", "ref": "main", "cron": "@daily"})
        yield running
    finally:
        running.stop()


def _with_known_things(document: dict[str, Any]) -> dict[str, Any]:
    """The document, with parameters that name something of the service."""
    known = {"project": ["1"], "ref": ["main"], "sha": ["main"], "job": ["one"], "path": ["out/a"], "key": ["a", "b"]}
    for item in document["paths"].values():
        for operation in item.values():
            for one in operation.get("parameters", ()):
                if one["in"] == "path" and one["schema"].get("type") == "integer":
                    one["schema"] = {"type": "integer", "enum": [1, 2, 3, 4]}
                elif one["name"] in known and one["in"] == "path":
                    one["schema"] = {"type": "string", "enum": known[one["name"]]}
            for content in operation.get("requestBody", {}).get("content", {}).values():
                fields = content["schema"].get("properties", {})
                fields.update({"token": {"enum": [TRIGGER, 5]}} if "token" in fields and "ref" in fields else {})
                fields.update({"ref": {"enum": ["main", "x", 5]}} if "ref" in fields else {})
                fields.update({"cron": {"enum": ["@daily", "* * *", {}]}} if "cron" in fields else {})
    return document


def test_schemathesis_finds_no_fault_in_the_service(service: Service, tmp_path: Path) -> None:
    document = _with_known_things(requests.get(f"{service.url}/-/openapi.json", timeout=60).json())
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document))
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", str(file), "--url", service.url]
    command += ["--header", f"PRIVATE-TOKEN: {ACCESS}", "--checks", CHECKS, "--mode", "all", "--phases", "fuzzing"]
    command += ["--seed", "16", "--max-examples", str(EXAMPLES), "--generation-database", "none", "--no-color"]
    command += ["--request-timeout", "120", "--continue-on-failure"]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=3000)

    assert done.returncode == 0, done.stdout[-9000:] + done.stderr[-2000:]
    assert "Traceback" not in service.data.with_suffix(".log").read_text()
