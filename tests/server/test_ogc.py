"""OGC API - Processes over a real server, read with clients that others wrote and with OGC's published schemas.

The models of ``ogc_api_processes_client`` are generated from OGC's own API definition.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import requests
from notebook_server import NotebookServer
from ogc_api_processes_client import ApiClient, Configuration
from ogc_api_processes_client.api_client_wrapper import ApiClientWrapper
from ogc_api_processes_client.models.conf_classes import ConfClasses
from ogc_api_processes_client.models.exception import Exception as OgcException
from ogc_api_processes_client.models.job_list import JobList
from ogc_api_processes_client.models.landing_page import LandingPage
from ogc_api_processes_client.models.process import Process
from ogc_api_processes_client.models.process_list import ProcessList
from ogc_api_processes_client.models.status_info import StatusInfo
from owslib.ogcapi.processes import Processes
from support import write_notebook
from waiting import wait_until

from generator.runner.server.ogc.job_filters import parse_interval

_GLUE = "from packmill import glue\n"
_KINDS = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
_DRAW = """\
image = 'in.txt'  # type: stage-in
names = ['a']
plot = 'plot.txt'  # type: stage-out
tables = '*.csv'  # type: stage-out
done = 'done/'  # type: stage-out
"""
_DRAWN = """\
import os
open(plot, 'w').write(open(image).read().upper())
for name in names:
    open(f'{name}.csv', 'w').write(name)
os.makedirs('done')
open('done/x.txt', 'w').write('x')
"""


def _write(root: Path) -> None:
    write_notebook(root / "double.ipynb", "x: int = 1", f"{_GLUE}glue('y', x * 2)\nprint(x)")
    write_notebook(root / "slow.ipynb", "seconds: float = 60", "import time\ntime.sleep(seconds)")
    write_notebook(root / "fails.ipynb", "x: int = 1", "1 / (x - x)")
    write_notebook(root / "maps" / "draw.ipynb", _DRAW, _DRAWN)
    write_notebook(
        root / "tree.ipynb",
        "tree = 'in/'  # type: stage-in",
        f"import os\n{_GLUE}glue('names', sorted(os.listdir(tree)))",
    )
    write_notebook(root / "options.ipynb", "options: dict = {}", f"{_GLUE}glue('options', options)")
    write_notebook(
        root / "many.ipynb",
        "files = ['a.txt']  # type: stage-in",
        f"{_GLUE}glue('texts', [open(f).read() for f in files])",
    )
    write_notebook(root / "status.ipynb", "code: int = 404", f"{_GLUE}glue('statusCode', code)")
    (root / "broken.ipynb").write_text("{")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("served")
    _write(folder / "root")
    running = NotebookServer(folder / "root", folder / "data", "--workers", "2").start()
    yield running
    running.stop()


def execute(server: NotebookServer, process: str, body: Any, *, prefer: str = "", **headers: str) -> requests.Response:
    given = {**headers, **({"Prefer": prefer} if prefer else {})}
    return server.ask("POST", f"/ogc/processes/{process}/execution", json=body, headers=given)


def begin(server: NotebookServer, process: str, **body: Any) -> str:
    """The id of a job."""
    answer = execute(server, process, body, prefer="respond-async")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["jobID"])


def wait_for(server: NotebookServer, job: str, status: str) -> Any:
    def status_if_reached() -> Any:
        found = server.get(f"/ogc/jobs/{job}")
        return found if found["status"] == status else None

    return wait_until(status_if_reached, seconds=60, message=f"job {job} is {status}")


def links_of(document: Any, relation: str) -> list[str]:
    return [link["href"] for link in document["links"] if link["rel"] == relation]


def parts_of(answer: requests.Response) -> dict[str, Message]:
    """The parts of a multipart response, by their Content-ID."""
    kind = answer.headers["Content-Type"]
    assert kind.startswith("multipart/related")
    message = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + answer.content)
    parts = message.get_payload()
    assert isinstance(parts, list)
    return {str(part["Content-ID"]): part for part in parts if isinstance(part, Message)}


def expect_exception(answer: requests.Response, status: int, kind: str) -> OgcException:
    assert answer.status_code == status, answer.text
    parsed = OgcException.from_json(answer.text)
    assert parsed is not None
    assert parsed.type == kind
    assert parsed.status == status
    return parsed


# --- what is there


def test_the_landing_page_leads_to_every_resource(server: NotebookServer) -> None:
    landing = server.get("/ogc/")

    assert LandingPage.from_dict(landing)
    for relation in ("self", "service-desc", "service-doc", "conformance"):
        (address,) = links_of(landing, relation)
        assert requests.get(address, timeout=60).status_code == 200
    for relation in ("processes", "job-list", "conformance"):
        (address,) = links_of(landing, f"http://www.opengis.net/def/rel/ogc/1.0/{relation}")
        assert requests.get(address, timeout=60).status_code == 200


def test_the_conformance_classes_are_all_but_callbacks(server: NotebookServer) -> None:
    parsed = ConfClasses.from_dict(server.get("/ogc/conformance"))

    assert parsed is not None
    names = {one.rpartition("/")[2] for one in parsed.conforms_to}
    assert names == {"core", "ogc-process-description", "json", "html", "oas30", "job-list", "dismiss"}


def test_processes_are_listed_in_pages(server: NotebookServer) -> None:
    address, seen = "/ogc/processes?limit=3", []
    while address:
        page = server.get(address)
        assert ProcessList.from_dict(page)
        seen += [one["id"] for one in page["processes"]]
        address = "".join(links_of(page, "next")).removeprefix(server.url)

    assert seen == ["double", "fails", "many", "maps:draw", "options", "slow", "status", "tree"]


@pytest.mark.parametrize("identifier", ["maps:draw", "maps%3Adraw", "maps/draw.ipynb", "maps%2Fdraw.ipynb"])
def test_a_process_is_described(server: NotebookServer, identifier: str) -> None:
    found = server.get(f"/ogc/processes/{identifier}")

    parsed = Process.from_json(json.dumps(found))
    assert parsed is not None
    assert parsed.id == "maps:draw"
    assert list(found["inputs"]) == ["image", "names"]
    assert list(found["outputs"]) == ["plot", "tables", "done", "output_nb", "scraps", "scrap_files"]
    (address,) = links_of(found, "http://www.opengis.net/def/rel/ogc/1.0/execute")
    assert address == f"{server.url}/ogc/processes/maps:draw/execution"


@pytest.mark.parametrize("identifier", ["nope", "broken", "..:root:double", "..%2Fdouble.ipynb", "%00", "double.txt"])
def test_an_unknown_process_is_an_exception(server: NotebookServer, identifier: str) -> None:
    expect_exception(server.ask("GET", f"/ogc/processes/{identifier}"), 404, f"{_KINDS}no-such-process")
    expect_exception(execute(server, identifier, {}), 404, f"{_KINDS}no-such-process")


def test_a_new_version_of_a_notebook_is_another_version_of_the_process(server: NotebookServer) -> None:
    first = server.get("/ogc/processes/status")["version"]
    write_notebook(server.root / "status.ipynb", "code: int = 400", f"{_GLUE}glue('statusCode', code)")

    assert server.get("/ogc/processes/status")["version"] != first


@pytest.mark.parametrize("path", ["/ogc/", "/ogc/conformance", "/ogc/processes", "/ogc/processes/double", "/ogc/jobs"])
def test_browsers_get_pages(server: NotebookServer, path: str) -> None:
    browser = server.ask("GET", path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    asked = server.ask("GET", f"{path}?f=html", headers={"Accept": "application/json"})
    data = server.ask("GET", f"{path}?f=json", headers={"Accept": "text/html"})

    assert browser.headers["Content-Type"] == asked.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<h1" in browser.text
    assert "default-src 'none'" in browser.headers["Content-Security-Policy"]
    assert data.json()


def test_browsers_get_the_page_of_the_definition(server: NotebookServer) -> None:
    answer = server.ask("GET", "/ogc/api", headers={"Accept": "text/html"})

    assert answer.status_code == 303
    assert server.ask("GET", answer.headers["Location"].removeprefix(server.url)).status_code == 200


def test_schemathesis_finds_no_fault_in_the_definition(server: NotebookServer, tmp_path: Path) -> None:
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.url}/ogc/api"]
    command += ["--checks", checks, "--mode", "all", "--phases", "coverage", "--seed", "16", "--request-timeout", "60"]
    command += ["--max-redirects", "0", "--no-color", "--generation-database", "none"]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_pages_escape_what_notebooks_have(server: NotebookServer) -> None:
    notebook = write_notebook(server.root / "<b>.ipynb", "x = '<script>alert(1)</script>'  # <img src=x>")
    page = server.ask("GET", "/ogc/processes/%3Cb%3E?f=html").text
    notebook.unlink()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>" not in page
    assert "<img src=x>" not in page
    assert "<b>" not in page


# --- execution


def test_a_single_output_is_answered_raw(server: NotebookServer) -> None:
    answer = execute(server, "double", {"inputs": {"x": 21}, "outputs": {"scraps": {}}})

    assert answer.status_code == 200
    assert answer.json() == {"y": 42}
    assert 'rel="monitor"' in answer.headers["Link"]


def test_several_outputs_are_answered_as_parts(server: NotebookServer) -> None:
    inputs = {"image": {"value": "hello", "mediaType": "text/plain"}, "names": ["a", "b"]}
    parts = parts_of(execute(server, "maps:draw", {"inputs": inputs, "response": "raw"}))

    assert list(parts) == ["<plot>", "<tables.1>", "<tables.2>", "<done>", "<output_nb>", "<scraps>"]
    assert parts["<plot>"].get_payload(decode=True) == b"HELLO"
    assert parts["<plot>"].get_content_type() == "text/plain"
    assert parts["<tables.2>"].get_payload(decode=True) == b"b"
    archive = parts["<done>"].get_payload(decode=True)
    assert isinstance(archive, bytes)
    assert zipfile.ZipFile(io.BytesIO(archive)).read("x.txt") == b"x"


def test_a_document_has_values_and_links(server: NotebookServer) -> None:
    outputs = {"plot": {}, "tables": {"transmissionMode": "reference"}, "done": {}, "scraps": {}, "scrap_files": {}}
    inputs = {"image": base64.b64encode(b"hello").decode(), "names": ["a"]}
    found = execute(server, "maps:draw", {"inputs": inputs, "outputs": outputs, "response": "document"}).json()

    assert found["plot"] == {"value": "HELLO", "mediaType": "text/plain"}
    assert found["scraps"] == {"value": {}, "mediaType": "application/json"}
    assert found["scrap_files"] == []
    (table,) = found["tables"]
    assert requests.get(table["href"], timeout=60).text == "a"
    folder = requests.get(found["done"]["href"], timeout=60)
    assert folder.headers["Content-Type"] == found["done"]["type"] == "application/zip"
    assert zipfile.ZipFile(io.BytesIO(folder.content)).namelist() == ["x.txt"]


def test_raw_references_are_links_alone(server: NotebookServer) -> None:
    outputs = {name: {"transmissionMode": "reference"} for name in ("scraps", "output_nb")}
    answer = execute(server, "double", {"outputs": outputs, "response": "raw"})

    assert answer.status_code == 204
    assert answer.content == b""
    assert requests.get(answer.links["scraps"]["url"], timeout=60).json() == {"y": 2}
    assert "cells" in requests.get(answer.links["output_nb"]["url"], timeout=60).json()


def test_references_and_values_mix_in_parts(server: NotebookServer) -> None:
    outputs = {"scraps": {}, "output_nb": {"transmissionMode": "reference"}}
    parts = parts_of(execute(server, "double", {"outputs": outputs}))

    assert json.loads(str(parts["<scraps>"].get_payload())) == {"y": 2}
    assert parts["<output_nb>"].get_payload().strip() == ""  # type: ignore[union-attr]
    assert "cells" in requests.get(str(parts["<output_nb>"]["Content-Location"]), timeout=60).json()


def test_a_client_that_reads_json_alone_gets_a_document_unless_it_asks_for_raw(server: NotebookServer) -> None:
    answer = execute(server, "double", {"outputs": {}}, Accept="application/json")

    assert list(answer.json()) == ["output_nb", "scraps", "scrap_files"]
    assert answer.json()["scraps"]["value"] == {"y": 2}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": 1}, {"a": 1}),
        ({"value": {"a": 1}}, {"a": 1}),
        ({"value": {"value": 1}, "mediaType": "application/json"}, {"value": 1}),
    ],
)
def test_objects_are_values_with_and_without_their_qualification(
    server: NotebookServer, given: Any, expected: Any
) -> None:
    answer = execute(server, "options", {"inputs": {"options": given}, "outputs": {"scraps": {}}})

    assert answer.json() == {"options": expected}


def test_folders_are_archives_and_lists_of_files_repeat(server: NotebookServer) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "a")
        archive.writestr("deep/b.txt", "b")
    folder = {
        "value": base64.b64encode(stream.getvalue()).decode(),
        "mediaType": "application/zip",
        "encoding": "base64",
    }
    texts = [{"value": text, "mediaType": "text/plain"} for text in ("one", "two")]

    tree = execute(server, "tree", {"inputs": {"tree": folder}, "outputs": {"scraps": {}}})
    many = execute(server, "many", {"inputs": {"files": texts}, "outputs": {"scraps": {}}})
    single = execute(server, "many", {"inputs": {"files": texts[0]}, "outputs": {"scraps": {}}})

    assert tree.json() == {"names": ["a.txt", "deep"]}
    assert many.json() == {"texts": ["one", "two"]}
    assert single.json() == {"texts": ["one"]}


@pytest.mark.parametrize(
    ("process", "body", "what"),
    [
        ("double", {"inputs": {"x": "five", "z": 1}}, "the inputs do not fit the notebook"),
        ("double", {"inputs": {"x": {"href": "http://example.org/x"}}}, "write the value itself"),
        ("double", {"inputs": [1]}, "'inputs'"),
        ("double", {"outputs": {"scrap": {}}}, "did you mean 'scraps'?"),
        ("double", {"outputs": {"scraps": {"transmissionMode": "smoke"}}}, "'smoke'"),
        ("double", {"outputs": {"scraps": {"format": {"mediaType": "text/csv"}}}}, "available as application/json"),
        ("double", {"outputs": [1]}, "'outputs'"),
        ("double", {"response": "xml"}, "'response'"),
        ("double", {"subscriber": {"successUri": "http://example.org"}}, "callbacks are not supported"),
        ("double", [], "not a JSON object"),
        ("maps:draw", {"inputs": {"image": "/etc/passwd"}}, "not valid base64"),
        ("maps:draw", {"inputs": {"image": {"class": "File", "path": "/etc/passwd"}}}, "is not a file"),
        ("maps:draw", {"inputs": {"image": {"href": "file:///etc/passwd"}}}, "not an address"),
        ("maps:draw", {"inputs": {"image": {"href": 5}}}, "not an address"),
        ("maps:draw", {"inputs": {"image": {"href": "http://example.org/x"}}}, "the inputs do not fit"),
        ("maps:draw", {"inputs": {"image": ["YQ==", "YQ=="]}}, "takes one file, not 2"),
        ("tree", {"inputs": {"tree": "YQ=="}}, "not a ZIP archive"),
        ("options", {"inputs": {"options": {"class": "File", "path": "/etc/passwd"}}}, "the inputs do not fit"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_run(
    server: NotebookServer, process: str, body: Any, what: str
) -> None:
    before = len(server.get("/ogc/jobs?limit=1000")["jobs"])
    parsed = expect_exception(execute(server, process, body), 400, "InvalidParameterValue")

    assert what in (parsed.detail or "")
    assert len(server.get("/ogc/jobs?limit=1000")["jobs"]) == before


def test_refused_requests_leave_no_files(server: NotebookServer) -> None:
    execute(server, "maps:draw", {"inputs": {"image": "YQ==", "names": "not a list of"}})
    execute(server, "tree", {"inputs": {"tree": "YQ=="}})
    kept = {folder.name for folder in (server.data / "runs").glob("*/*")}

    assert kept <= {one["jobID"] for one in server.get("/ogc/jobs?limit=1000")["jobs"]}


def test_a_failed_notebook_is_an_exception_with_its_reason(server: NotebookServer) -> None:
    answer = execute(server, "fails", {})
    parsed = expect_exception(answer, 422, "CellError")

    assert "ZeroDivisionError" in (parsed.detail or "")
    job = answer.links["monitor"]["url"].rpartition("/")[2]
    status = StatusInfo.from_dict(server.get(f"/ogc/jobs/{job}"))
    assert status is not None
    assert status.status.value == "failed"
    expect_exception(server.ask("GET", f"/ogc/jobs/{job}/results"), 422, "CellError")


def test_a_status_code_of_the_notebook_is_that_of_the_exception(server: NotebookServer) -> None:
    expect_exception(execute(server, "status", {"inputs": {"code": 409}}), 409, "StatusCode")


# --- jobs


def test_a_job_is_followed_to_its_results(server: NotebookServer) -> None:
    answer = execute(server, "double", {"inputs": {"x": 4}, "response": "document"}, prefer="respond-async")
    assert answer.status_code == 201
    assert answer.headers["Preference-Applied"] == "respond-async"
    created = StatusInfo.from_json(answer.text)
    assert created is not None
    assert answer.headers["Location"] == f"{server.url}/ogc/jobs/{created.job_id}"

    status = wait_for(server, created.job_id, "successful")
    assert StatusInfo.from_dict(status)
    assert status["progress"] == 100
    assert status["processID"] == "double"
    (results,) = links_of(status, "http://www.opengis.net/def/rel/ogc/1.0/results")
    assert requests.get(results, timeout=60).json()["scraps"]["value"] == {"y": 8}
    assert server.get(f"/ogc/jobs/{created.job_id}/results/scraps") == {"y": 8}
    assert server.ask("GET", f"/ogc/jobs/{created.job_id}/results/nope").status_code == 404


def test_waiting_ends_in_results_or_in_a_job(server: NotebookServer) -> None:
    quick = execute(server, "double", {"outputs": {"scraps": {}}}, prefer="respond-async, wait=60")
    slow = execute(server, "slow", {}, prefer="wait=0")
    server.ask("DELETE", slow.headers["Location"].removeprefix(server.url))

    assert (quick.status_code, quick.json()) == (200, {"y": 2})
    assert quick.headers["Preference-Applied"] == "respond-async, wait=60"
    assert slow.status_code == 201


def test_results_of_a_running_job_are_not_ready_and_it_is_dismissed(server: NotebookServer) -> None:
    job = begin(server, "slow")
    wait_until(lambda: server.get(f"/ogc/jobs/{job}")["message"] == "cell 2 of 2", message="the second cell runs")
    running = server.get(f"/ogc/jobs/{job}")
    assert (running["status"], running["progress"]) == ("running", 50)
    expect_exception(server.ask("GET", f"/ogc/jobs/{job}/results"), 404, f"{_KINDS}result-not-ready")

    answer = server.ask("DELETE", f"/ogc/jobs/{job}")

    assert answer.status_code == 200
    dismissed = StatusInfo.from_json(answer.text)
    assert dismissed is not None
    assert dismissed.status.value == "dismissed"
    wait_for(server, job, "dismissed")
    expect_exception(server.ask("GET", f"/ogc/jobs/{job}/results"), 410, "JobDismissed")


def test_a_job_that_has_ended_is_removed(server: NotebookServer) -> None:
    job = begin(server, "double")
    wait_for(server, job, "successful")

    assert server.ask("DELETE", f"/ogc/jobs/{job}").json()["status"] == "dismissed"
    expect_exception(server.ask("GET", f"/ogc/jobs/{job}"), 404, f"{_KINDS}no-such-job")
    expect_exception(server.ask("GET", f"/ogc/jobs/{job}/results"), 404, f"{_KINDS}no-such-job")
    expect_exception(server.ask("DELETE", f"/ogc/jobs/{job}"), 404, f"{_KINDS}no-such-job")
    assert not list((server.data / "runs").glob(f"*/{job}"))


def test_runs_of_other_protocols_are_jobs_too(server: NotebookServer) -> None:
    run = server.run("double.ipynb", x=3)["run"]["id"]

    assert server.get(f"/ogc/jobs/{run}")["processID"] == "double"
    assert server.get(f"/ogc/jobs/{run}/results")["scraps"]["value"] == {"y": 6}


def test_jobs_are_listed_by_process_status_time_and_duration(server: NotebookServer) -> None:
    quick, failed = begin(server, "double"), begin(server, "fails")
    wait_for(server, quick, "successful")
    created = wait_for(server, failed, "failed")["created"]

    def listed(**query: Any) -> list[str]:
        page = server.get("/ogc/jobs", params={"limit": 1000, **query})
        assert JobList.from_dict(page)
        return [one["jobID"] for one in page["jobs"]]

    assert listed()[:2] == [failed, quick]
    assert failed not in listed(processID="double")
    assert quick in listed(processID="double")
    assert {failed, quick} <= set(listed(processID=["double", "fails"]))
    assert {failed, quick} <= set(listed(processID="double,fails"))
    assert listed(processID="nope") == []
    assert listed(type="other") == []
    assert quick in listed(type="process", status="successful")
    assert failed not in listed(status="successful")
    assert {failed, quick} <= set(listed(status=["successful", "failed"]))
    assert listed(datetime=f"{created}/..")[-1] == failed
    assert listed(datetime="../2001-01-01T00:00:00Z") == []
    assert failed in listed(datetime=created[:10])
    assert quick in listed(maxDuration=600)
    assert quick not in listed(minDuration=600)


def test_a_page_has_at_most_a_thousand_entries_of_a_larger_limit(server: NotebookServer) -> None:
    assert len(server.get("/ogc/jobs?limit=9999999")["jobs"]) == len(server.get("/ogc/jobs?limit=1000")["jobs"])
    assert server.get("/ogc/processes?limit=9999999")["processes"]


def test_roles_and_owners_of_tokens_count(tmp_path: Path) -> None:
    write_notebook(tmp_path / "root" / "double.ipynb", "x: int = 1", f"{_GLUE}glue('y', x * 2)")
    tokens = "ada:run:ada-token-0123456789,bob:run:bob-token-0123456789,eve:read:eve-token-0123456789"
    server = NotebookServer(
        tmp_path / "root", tmp_path / "data", "--workers", "1", PACKMILL_SERVE_TOKENS=tokens
    ).start()

    def ask(name: str, method: str, path: str, **options: Any) -> requests.Response:
        return server.ask(method, path, headers={"Authorization": f"Bearer {name}-token-0123456789"}, **options)

    try:
        answer = ask("ada", "POST", "/ogc/processes/double/execution", json={"outputs": {"scraps": {}}})
        job = answer.links["monitor"]["url"].removeprefix(server.url)
        read = ask("eve", "GET", f"{job}/results")
        foreign = [ask("bob", method, path) for method in ("GET", "DELETE") for path in (job, f"{job}/results")]
        lists = [len(ask(name, "GET", "/ogc/jobs").json()["jobs"]) for name in ("ada", "bob", "eve")]
        refused = ask("eve", "POST", "/ogc/processes/double/execution", json={}), ask("eve", "DELETE", job)
        stranger = server.ask("GET", "/ogc/processes")
    finally:
        server.stop()

    assert answer.json() == {"y": 2}
    assert read.status_code == 200
    assert [one.status_code for one in foreign] == [404, 404, 404, 405]
    assert lists == [1, 0, 1]
    assert [one.status_code for one in refused] == [403, 403]
    assert stranger.status_code == 401


def test_jobs_are_listed_in_pages(server: NotebookServer) -> None:
    jobs = [begin(server, "double") for _ in range(3)]
    address, seen = "/ogc/jobs?limit=2&processID=double", list[str]()
    while address:
        page = server.get(address)
        seen += [one["jobID"] for one in page["jobs"]]
        address = "".join(links_of(page, "next")).removeprefix(server.url)

    assert seen[:3] == jobs[::-1]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-01-31", "2026-01-31T00:00:00+00:00", "2026-01-31T23:59:59.999999+00:00"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00", "2026-01-31T12:00:00.999999+00:00"),
        ("2026-01-31T12:00:00.500+02:00", "2026-01-31T10:00:00.500000+00:00", "2026-01-31T10:00:01.499999+00:00"),
        ("2026-01-01/2026-02-01", "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"),
        ("../2026-02-01", None, "2026-02-01T00:00:00+00:00"),
        ("2026-01-01/", "2026-01-01T00:00:00+00:00", None),
        ("9999-12-31", "9999-12-31T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_a_time_or_an_interval(text: str, first: str | None, last: str | None) -> None:
    assert tuple(end and end.isoformat() for end in parse_interval(text)) == (first, last)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "datetime=0001-01-01T00:00:00%2B05:00",
        "limit=x",
        "status=nope",
        "datetime=yesterday",
        "datetime=../..",
        "datetime=2026-02-01/2026-01-01",
        "minDuration=-1",
        "f=xml",
    ],
)
def test_invalid_parameters_of_a_list_are_exceptions(server: NotebookServer, query: str) -> None:
    expect_exception(server.ask("GET", f"/ogc/jobs?{query}"), 400, "InvalidParameterValue")


# --- clients of others


def test_owslib_lists_describes_and_executes(server: NotebookServer) -> None:
    client = Processes(f"{server.url}/ogc")

    assert client.conformance()["conformsTo"]
    assert client.api()["openapi"].startswith("3.0")
    assert "double" in [one["id"] for one in client.processes()]
    assert client.process("maps:draw")["inputs"]["names"]["schema"]["type"] == "array"
    assert client.execute("double", {"x": 21}, outputs={"scraps": {}})["scraps"]["value"] == {"y": 42}
    job = client.execute("double", {"x": 5}, async_=True)
    status = wait_for(server, job["jobID"], "successful")
    (results,) = links_of(status, "http://www.opengis.net/def/rel/ogc/1.0/results")
    assert requests.get(results, timeout=60).json()["scraps"]["value"] == {"y": 10}


def test_the_client_generated_from_the_standard_runs_a_job(server: NotebookServer) -> None:
    client = ApiClientWrapper(Configuration(host=f"{server.url}/ogc"))
    assert isinstance(client.api_client, ApiClient)

    assert client.get_landing_page().links
    assert client.get_conformance_classes().conforms_to
    assert "maps:draw" in [one.id for one in client.get_processes().processes]
    assert client.get_process_description("maps:draw").outputs["plot"]
    body = {"inputs": {"x": 8}, "outputs": {"output_nb": {"transmissionMode": "reference"}}, "response": "document"}
    headers = {"Prefer": "respond-async", "Content-Type": "application/json"}
    job = client.execute_simple("double", body, _headers=headers)
    wait_until(lambda: client.get_status(job.job_id).status.value == "successful", message="the job ends")
    assert job.job_id in [one.job_id for one in client.get_jobs().jobs]
    address = client.get_result(job.job_id)["output_nb"].actual_instance.href
    assert "cells" in requests.get(address, timeout=60).json()
    assert client.dismiss(job.job_id).status.value == "dismissed"
