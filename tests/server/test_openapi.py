"""What notebooks and the server say of themselves: JSON, OpenAPI documents, and answers that match them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from notebook_server import NotebookServer, write_notebooks
from openapi_spec_validator import validate
from support import notebook

CELL = """\
from typing import Literal
n: int = 3  # how many
rate: float
secret = ''  # type: secret
name: str | None = None
settings: dict = {}
shape: Literal['round', 'square'] = 'round'
sizes: list[int] = [1, 2]
flag = True
data = 'data/own.csv'  # type: stage-in  the table
folder = 'data/'  # type: stage-in
plot = 'plot.png'  # type: stage-out  the figure
"""
MARKDOWN = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Growth of *trees*\n\nReads a table."}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("described")
    root = folder / "root"
    write_notebooks(root)
    document = notebook(CELL, "open(plot, 'wb').write(b'x')")
    document["cells"].insert(0, MARKDOWN)
    (root / "deep" / "{all}.ipynb").write_text(json.dumps(document))
    (root / "broken.ipynb").write_text("{")
    (root / os.fsdecode(b"\xff.ipynb")).write_text(json.dumps(document))
    running = NotebookServer(root, folder / "data", "--queue", "100000", "--shutdown-timeout", "1s").start()
    yield running
    running.stop()


def test_a_notebook_describes_itself(server: NotebookServer) -> None:
    found = server.get("/notebooks/deep/%7Ball%7D.ipynb")

    assert (found["title"], found["doc"]) == ("Growth of trees", "# Growth of *trees*\n\nReads a table.")
    inputs = {one["id"]: one for one in found["inputs"]}
    assert inputs["n"] == {
        "id": "n",
        "name": "n",
        "type": "int",
        "doc": "how many",
        "required": False,
        "optional": False,
        "secret": False,
        "schema": {"anyOf": [{"type": "integer", "default": 3}, {"type": "null"}], "description": "how many"},
    }
    assert [name for name, one in inputs.items() if one["required"]] == ["rate"]
    assert (inputs["secret"]["secret"], inputs["sizes"]["type"]) == (True, "int[]")
    assert inputs["shape"]["schema"]["anyOf"][0]["enum"] == ["round", "square"]
    [output] = found["outputs"]
    assert (output["id"], output["glob"], output["media_type"]) == ("plot", "plot.png", "image/png")
    for address in (found["links"]["self"], found["links"]["openapi"]):
        assert server.ask("GET", address).status_code == 200


def test_a_notebook_that_cannot_run_says_why(server: NotebookServer) -> None:
    assert "broken.ipynb" in server.get("/notebooks/broken.ipynb")["error"]
    assert server.ask("GET", "/notebooks/broken.ipynb/openapi.json").status_code == 409


def test_the_list_leads_to_each_notebook(server: NotebookServer) -> None:
    listed = server.get("/notebooks")["notebooks"]

    assert "deep/{all}.ipynb" in [one["path"] for one in listed]
    assert [server.ask("GET", one["href"]).status_code for one in listed] == [200] * len(listed)


def test_the_documents_are_valid(server: NotebookServer) -> None:
    for address in ("/openapi.json", "/notebooks/deep/%7Ball%7D.ipynb/openapi.json"):
        document = server.get(address)
        validate(document)
        assert document["servers"] == [{"url": server.url}]


def body_of(document: Any, kind: str) -> Any:
    [path] = [path for path in document["paths"] if path.startswith("/notebooks/")]
    return document["paths"][path]["post"]["requestBody"]["content"][kind]


@pytest.mark.parametrize(
    "values",
    [
        {"rate": 1},
        {"rate": 1.5, "name": None, "sizes": [], "settings": {"a": [1]}, "shape": "square", "flag": False},
        {"rate": 1, "data": {"class": "File", "contents": "a"}},
        {},
        {"rate": "fast"},
        {"rate": 1, "n": 1.5},
        {"rate": 1, "n": None},
        {"rate": 1, "shape": "oval"},
        {"rate": 1, "sizes": 5},
        {"rate": 1, "other": 5},
        {"rate": 1, "data": {"class": "File", "path": "/etc/passwd"}},
    ],
)
def test_the_schema_takes_what_the_server_takes(server: NotebookServer, values: Any) -> None:
    document = server.get("/notebooks/deep/%7Ball%7D.ipynb/openapi.json")
    validator = jsonschema.Draft202012Validator(body_of(document, "application/json")["schema"])
    answer = server.ask("POST", "/notebooks/deep/%7Ball%7D.ipynb/runs", json=values)

    assert validator.is_valid(values) == (answer.status_code == 202), answer.text


def test_the_example_of_the_document_runs(server: NotebookServer) -> None:
    example = body_of(server.get("/notebooks/deep/%7Ball%7D.ipynb/openapi.json"), "application/json")["example"]

    assert example == {
        "n": 3,
        "rate": 1.0,
        "settings": {},
        "shape": "round",
        "sizes": [1, 2],
        "flag": True,
    }
    assert server.ask("POST", "/notebooks/deep/%7Ball%7D.ipynb/runs", json=example).status_code == 202


def test_uploads_are_binary_in_the_document(server: NotebookServer) -> None:
    form = body_of(server.get("/notebooks/deep/%7Ball%7D.ipynb/openapi.json"), "multipart/form-data")

    data = form["schema"]["properties"]["data"]
    assert (data["type"], data["format"], data["contentMediaType"]) == ("string", "binary", "text/csv")
    assert form["encoding"]["data"] == {"contentType": "text/csv"}
    assert form["encoding"]["settings"] == form["encoding"]["sizes"] == {"contentType": "application/json"}
    assert "n" not in form["encoding"]


def test_answers_match_the_document(server: NotebookServer) -> None:
    schemas = server.get("/openapi.json")["components"]["schemas"]

    def check(name: str, value: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        jsonschema.Draft202012Validator(schema).validate(value)

    result = server.run("double.ipynb")
    check("ResultEntity", result)
    check("ResultEntity", server.run("fails.ipynb"))
    check("RunEntity", result["run"])
    check("RunList", server.get("/runs"))
    check("OutputList", server.get(f"/runs/{result['run']['id']}/outputs/"))
    check("NotebookList", server.get("/notebooks"))
    schedule = server.ask("POST", "/schedules", json={"notebook": "double.ipynb", "cron": "@daily"}).json()
    check("ScheduleEntity", schedule)
    check("ScheduleList", server.get("/schedules"))
    server.ask("DELETE", f"/schedules/{schedule['id']}")
    check("PapermillResult", server.get("/run/double.ipynb?returnNotebook=true"))
    check("TemplateEntity", server.ask("POST", "/template", json={"name": "day", "content": "{{args.day}}/"}).json()[0])
    check("Problem", server.ask("GET", "/run/double.ipynb?x=a").json())
    check("NotebookEntity", server.get("/notebooks/deep/%7Ball%7D.ipynb"))
    check("Problem", server.ask("POST", "/runs", json={"notebook": "double.ipynb", "parameters": {"x": "a"}}).json())


@pytest.mark.parametrize(
    ("address", "phases", "examples"),
    [
        ("/openapi.json", "examples,fuzzing", 3),
        ("/notebooks/deep/%7Ball%7D.ipynb/openapi.json", "fuzzing", 40),
    ],
)
def test_schemathesis_finds_no_server_error(
    server: NotebookServer, tmp_path: Path, address: str, phases: str, examples: int
) -> None:
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", server.url + address]
    command += ["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"]
    command += ["--checks", "response_schema_conformance", "--mode", "all", "--phases", phases]
    command += [
        "--exclude-path-regex",
        "/events$|[{]run_id[}]" if phases == "fuzzing" else "/events$",
        "--request-timeout",
        "60",
    ]
    command += ["--seed", "16", "--max-examples", str(examples), "--no-color", "--generation-database", "none"]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
