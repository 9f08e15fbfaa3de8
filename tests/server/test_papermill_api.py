"""papermill-api's interface: each curl line of its README, run by curl, and each form of its code."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
import requests
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.session import Session
from notebook_server import NotebookServer, serve_command
from staging_servers import S3, s3_server
from support import write_notebook
from waiting import wait_until

from generator.runner.server import buckets
from generator.runner.server.buckets import read_notebook_object, write_new_object
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.runs.model import Outcome, RunState
from generator.runner.server.storage import NotebookStorage
from generator.runner.server.workers.delivery import deliver
from generator.shared.failures import StagingError

GLUE = "from packmill import glue\n"
PATH = "home/user.name/notebook_name.ipynb"
SHOWS = f"""{GLUE}from IPython.display import HTML, display
glue('data', 1)
glue('file', {{'class': 'File', 'path': 'scraps/x'}})
display(HTML('<b>x</b>'), metadata={{'scrapbook': {{'name': 'shown', 'data': False, 'display': True}}}})
scrap = {{'name': 'table', 'encoder': 'pandas', 'data': 'cGFycXVldA==', 'version': 1}}
display({{'application/scrapbook.scrap.pandas+json': scrap}}, raw=True)"""
TEMPLATE = "{{args.timestamp}}//{{args.arg1}}//{{args.arg2}}"
OTHER = "{{args.timestamp}}//{{args.different_arg1}}//{{args.different_arg2}}"


def write_api_notebooks(folder: Path) -> None:
    write_notebook(
        folder / PATH,
        "parameter1 = 'a'\nparameter2 = 'b'\nnum = 5\nobj = {'key': 'value'}\n"
        "ratio = 0.5\nflag = False\nwords: list[str] = []",
        f"{GLUE}glue('string', parameter1 + parameter2)\nglue('number', num + 2)\nglue('Object', obj)",
        "glue('rest', [ratio, flag, words])",
    )


@dataclass
class Api:
    """A server with an S3 bucket, and the folder of executed notebooks."""

    server: NotebookServer
    s3: S3
    out: Path

    def stored(self) -> list[str]:
        """The executed notebooks in the folder; they are removed."""
        found = sorted(self.out.rglob("*.ipynb"))
        for path in found:
            assert nbformat.read(path, as_version=4).metadata["papermill"]["exception"] is None
            path.unlink()
        return [path.relative_to(self.out).as_posix() for path in found]

    def objects(self) -> list[str]:
        """The new objects in the bucket; they are removed."""
        found = [name for name in self.s3.objects("your-bucket") if name != PATH]
        for name in found:
            (self.s3.folder / "your-bucket" / name).unlink()
        return found


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    top = tmp_path_factory.mktemp("papermill-api")
    write_api_notebooks(top / "root")
    write_api_notebooks(top / "s3" / "your-bucket")
    write_notebook(top / "root" / "status.ipynb", "code = 201", f"{GLUE}glue('statusCode', code)", "glue('more', 1)")
    write_notebook(top / "root" / "fails.ipynb", "x = 1", f"{GLUE}glue('before', x)", "1 / 0")
    write_notebook(top / "root" / "slow.ipynb", "seconds = 60.0", "import time\ntime.sleep(seconds)")
    write_notebook(top / "root" / "location.ipynb", "location = 'x'\ntemplate = 'y'", f"{GLUE}glue('at', location)")
    write_notebook(top / "root" / "secret.ipynb", "key = ''  # type: secret", "print('done')")
    write_notebook(top / "root" / "shows.ipynb", "x = 1", SHOWS)
    (top / "s3" / "private").mkdir()
    options = ["--output-root", str(top / "out"), "--workers", "2"]
    options += ["--source-bucket", "your-bucket", "--output-bucket", "your-bucket/home"]
    with s3_server(top / "s3") as s3:
        keys = {"AWS_ACCESS_KEY_ID": s3.key, "AWS_SECRET_ACCESS_KEY": s3.secret, "AWS_ENDPOINT_URL": s3.url}
        server = NotebookServer(top / "root", top / "data", *options, **keys).start()
        yield Api(server, s3, top / "out")
        server.stop()


@pytest.fixture(autouse=True)
def leave_nothing(api: Api) -> Iterator[None]:
    yield
    for path in api.out.rglob("*.ipynb"):
        path.unlink()
    for one in api.server.get("/template"):
        api.server.ask("DELETE", f"/template/{one['name']}")


@dataclass
class Curl:
    """The README's files, in the folder that curl runs in."""

    folder: Path
    url: str

    def __call__(self, line: str) -> tuple[int, Any]:
        """Run a line of the README; its status and JSON."""
        words = shlex.split(line.replace("http://localhost:5000", self.url).replace("{template name}", "template"))
        command = [*words, "--silent", "--show-error", "--write-out", "\n%{http_code}", "--max-time", "120"]
        out = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout
        body, _, status = out.rpartition("\n")
        return int(status), json.loads(body)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


@pytest.fixture
def curl(api: Api, tmp_path: Path) -> Curl:
    return Curl(tmp_path, api.server.url)


GET_RUN = (
    '''curl "http://localhost:5000/run/your-bucket/home/user.name/notebook_name.ipynb?parameter1=one&parameter2=two"'''
)
POST_RUN = (
    'curl -d @examples/run_notebook_post.json -H "Content-Type: application/text" '
    "-X POST http://localhost:5000/run/your-bucket/home/user.name/notebook_name.ipynb"
)
POST_RUN_AS_PRINTED = POST_RUN.replace("/run/", "/")
GET_TEMPLATE = "curl http://localhost:5000/template/{template name}"
POST_TEMPLATE = (
    'curl -d @example_data.json -H "Content-Type: application/json" '
    '-X POST "http://localhost:5000/template/{template name}"'
)


def test_readme_get_of_a_run(curl: Curl, api: Api) -> None:
    status, body = curl(GET_RUN)

    assert status == 200
    assert body == {
        "result": {"string": "onetwo", "number": 7, "Object": {"key": "value"}, "rest": [0.5, False, []]},
    }
    (stored,) = api.objects()
    assert re.fullmatch(r"home/user\.name/notebook_name_out_\d{14}\.ipynb", stored)


@pytest.mark.parametrize("line", [POST_RUN, POST_RUN_AS_PRINTED])
@pytest.mark.parametrize(
    ("output", "stored"),
    [
        ('"./new_folder/{{args.timestamp}}"', r"new_folder/\d{14}\.ipynb"),
        ('"./{{args.year}}/{{args.month}}/{{args.day}}/"', r"20\d\d/\d\d/\d\d/notebook_name_out_\d{14}\.ipynb"),
    ],
)
def test_readme_post_of_a_run(curl: Curl, api: Api, line: str, output: str, stored: str) -> None:
    curl.write(
        "examples/run_notebook_post.json",
        f'{{\n  "parameters": {{"obj":{{"key":"value1"}}, "num":"8"}},\n  "outputNotebookPath":{output}\n}}\n',
    )
    status, body = curl(line)

    assert status == 200
    assert (body["result"]["Object"], body["result"]["number"]) == ({"key": "value1"}, 10)
    (path,) = api.stored()
    assert re.fullmatch(stored, path)


def test_readme_run_with_a_template(curl: Curl, api: Api) -> None:
    curl.write("example_data.json", f'{{\n        "content": "{TEMPLATE}",\n    }}')
    assert curl(POST_TEMPLATE) == (200, [{"content": TEMPLATE, "name": "template"}])
    curl.write(
        "examples/run_notebook_post.json",
        """{
  "parameters": {"obj":{"key":"value1"}, "num":"8"},
  "template": {
    "name": "template",
    "args":{"arg1":"Hello", "arg2":"World"}
  }
}""",
    )
    assert curl(POST_RUN)[0] == 200
    (path,) = api.stored()
    assert re.fullmatch(r"\d{14}/Hello/World\.ipynb", path)


def test_readme_templates(curl: Curl) -> None:
    curl.write("example_data.json", f'{{\n        "content": "{TEMPLATE}",\n        "default":"true"\n    }}')
    assert curl(POST_TEMPLATE) == (200, [{"content": TEMPLATE, "name": "template"}])
    assert curl(GET_TEMPLATE) == (200, [{"content": TEMPLATE, "name": "template"}])

    curl.write("example_data", f'{{\n "name": "template",\n "content":"{OTHER}",\n "default": "true"\n}}')
    line = POST_TEMPLATE.replace("example_data.json", "example_data")
    assert curl(line) == (200, [{"content": OTHER, "name": "template"}])

    curl.write("example_data", f'{{"name": "another_template", "content":"{OTHER}"}}')
    general = line.replace("/{template name}", "")
    assert curl(general)[1] == curl("curl http://localhost:5000/template")[1]
    assert curl("curl http://localhost:5000/template") == (
        200,
        [{"content": OTHER, "name": "another_template"}, {"content": OTHER, "name": "template"}],
    )
    assert curl("curl http://localhost:5000/template?default") == (200, {"content": OTHER, "name": "template"})


def test_readme_status_code(curl: Curl) -> None:
    assert curl("curl http://localhost:5000/run/status.ipynb") == (201, {"result": {"statusCode": 201, "more": 1}})


@pytest.mark.parametrize(
    ("query", "status"),
    [("code=404", 404), ("code=503", 503), ("code=204", 204), ("code=304", 304), ("code=100", 200), ("code=700", 200)],
)
def test_a_status_code_is_the_response_s(api: Api, query: str, status: int) -> None:
    with requests.Session() as session:
        answer = session.get(f"{api.server.url}/run/status.ipynb?{query}", timeout=120)
        assert session.get(f"{api.server.url}/template", timeout=120).json() == []  # on the same connection

    assert answer.status_code == status
    if status in (204, 304):
        assert answer.text == ""
    else:
        assert answer.json()["result"]["statusCode"] == int(query[5:])


@pytest.mark.parametrize("path", ["/run/", "/run"])
@pytest.mark.parametrize(
    ("query", "where"),
    [
        ({"location": "local", "notebook": PATH}, "out"),
        ({"location": "local", "notebook": PATH.removesuffix(".ipynb")}, "out"),
        ({"notebook": PATH}, "out"),
        ({"location": "s3", "notebook": f"your-bucket/{PATH}"}, "s3"),
        ({"location": "S3", "notebook": f"s3://your-bucket/{PATH}"}, "s3"),
    ],
)
def test_the_code_s_form_runs_local_and_s3_notebooks(api: Api, path: str, query: dict[str, str], where: str) -> None:
    for method, values in (
        ("GET", {"params": {**query, "num": "40"}}),
        ("POST", {"params": query, "json": {"parameters": {"num": 40}}}),
    ):
        answer = api.server.ask(method, path, **values)
        assert answer.status_code == 200, answer.text
        assert answer.json()["result"]["number"] == 42
        (stored,) = api.stored() if where == "out" else api.objects()
        assert re.fullmatch(r"home/user\.name/notebook_name_out_\d{14}\.ipynb", stored)
        assert answer.headers["X-Output-Notebook"].endswith(stored)


def test_values_of_the_query_have_the_types_of_the_notebook(api: Api) -> None:
    query = 'num=3&ratio=2&flag=true&words=a&words=b&obj={"k": [1]}&parameter1=12'
    result = api.server.get(f"/run/{PATH}?{query}")["result"]

    assert result == {"string": "12b", "number": 5, "Object": {"k": [1]}, "rest": [2, True, ["a", "b"]]}


def test_texts_in_the_body_have_the_types_of_the_notebook(api: Api) -> None:
    """The README's example gives ``"num": "8"``."""
    values = {"num": "8", "ratio": "2.5", "flag": "true", "parameter1": "12"}
    result = api.server.ask("POST", RUN, json={"parameters": values}).json()["result"]

    assert (result["number"], result["rest"][:2], result["string"]) == (10, [2.5, True], "12b")


@pytest.mark.parametrize("how", ["query", "body"])
def test_the_executed_notebook_is_returned_on_request(api: Api, how: str) -> None:
    if how == "query":
        body = api.server.get(f"/run/{PATH}?returnNotebook=yes")
    else:
        body = api.server.ask("POST", f"/run/{PATH}?returnNotebook=true", json={}).json()

    nbformat.validate(nbformat.from_dict(body["notebook"]))
    assert body["result"]["number"] == 7


def test_displays_are_not_part_of_the_result_and_tables_have_an_address(api: Api) -> None:
    result = api.server.get("/run/shows.ipynb")["result"]

    assert set(result) == {"data", "file", "table"}
    assert (result["data"], result["file"]) == (1, {"class": "File", "path": "scraps/x"})
    assert api.server.ask("GET", result["table"]["location"]).content == b"parquet"


def test_an_argument_of_the_api_is_also_a_parameter_of_its_name(api: Api) -> None:
    assert api.server.get("/run/location.ipynb?location=Bern")["result"] == {"at": "Bern"}
    assert api.server.get("/run/?notebook=location.ipynb&location=local")["result"] == {"at": "local"}


def test_an_s3_path_is_used_as_given(api: Api) -> None:
    target = "s3://your-bucket/home/a/{{args.notebook_name}}-{{num}}"
    for _ in range(2):
        body = {"outputNotebookPath": target, "parameters": {"num": 1}}
        assert api.server.ask("POST", f"/run/{PATH}", json=body).status_code == 200

    assert api.objects() == ["home/a/notebook_name-1.ipynb", "home/a/notebook_name-1_2.ipynb"]
    assert api.stored() == []


def test_a_default_template_is_used_unless_the_request_has_its_own(api: Api) -> None:
    for name in ("default", "other"):
        body = {"name": name, "content": f"{name}/{{{{args.notebook_name}}}}", "default": name == "default"}
        api.server.ask("POST", "/template", json=body)
    for query in ("", "template=other", "outputNotebookPath=own/x"):
        assert api.server.ask("GET", f"/run/{PATH}?{query}").status_code == 200
    assert api.server.ask("POST", f"/run/{PATH}", json={"template": "other"}).status_code == 200

    assert api.stored() == [
        "default/notebook_name.ipynb",
        "other/notebook_name.ipynb",
        "other/notebook_name_2.ipynb",
        "own/x.ipynb",
    ]


def test_templates_change_by_every_verb(api: Api) -> None:
    ask = api.server.ask
    assert ask("PATCH", "/template/", json={"name": "a", "content": "x"}).json()["message"] == "Template does not exist"
    ask("POST", "/template/", json={"name": "a", "content": "x/{{args.year}}", "default": "t"})
    assert ask("PATCH", "/template", json={"name": "a", "content": "y/"}).json() == [{"content": "y/", "name": "a"}]
    assert api.server.get("/template/?default=true") == {"content": "y/", "name": "a"}
    assert ask("PATCH", "/template/a", json={"default": "no"}).status_code == 200
    assert api.server.get("/template?default=1") == []
    assert api.server.get("/template?default=false") == [{"content": "y/", "name": "a"}]
    assert ask("DELETE", "/template/", json={"name": "a"}).json() == []
    assert ask("DELETE", "/template/a").status_code == 400
    assert api.server.get("/template/a") == []


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"name": "a"}, "'content' is missing"),
        ({"content": "x"}, "'name' is missing"),
        ({"name": "a", "content": "x", "default": "maybe"}, "default: 'maybe' is not a boolean"),
        ({"name": "a", "content": ""}, "the text is empty"),
        ({"name": "a", "content": "{{"}, "is invalid"),
        ({"name": "a", "content": "{% for x in range(9) %}{% endfor %}"}, "for is not allowed"),
        ({"name": "a\nb", "content": "x"}, "printable"),
        ({"name": "a", "content": "x", "contents": 1}, "'contents' is not a name"),
        ({"name": 5, "content": "x"}, "'name' is missing, or not a text"),
    ],
)
def test_a_template_that_no_run_could_render_is_refused(api: Api, body: Any, what: str) -> None:
    answer = api.server.ask("POST", "/template", json=body)

    assert answer.status_code == 400
    assert what in answer.json()["message"]


RUN = f"/run/{PATH}"
BOTH = "either 'outputNotebookPath' or 'template' is supported not both"


@pytest.mark.parametrize(
    ("path", "body", "status", "what"),
    [
        (RUN, {"template": "a", "outputNotebookPath": "b"}, 400, BOTH),
        (f"{RUN}?template=a&outputNotebookPath=b", None, 400, BOTH),
        (f"{RUN}?template=none", None, 404, "No template: none"),
        (RUN, {"template": {"name": "none"}}, 404, "No template: none"),
        (RUN, {"template": {"title": "none"}}, 400, "'template' is neither"),
        (RUN, {"template": {"name": "x", "args": {"a": {}}}}, 400, "texts and numbers"),
        (RUN, {"parameters": [1]}, 400, "'parameters' is not an object"),
        (RUN, {"parameters": {"num": "eight"}}, 400, "num"),
        (RUN, {"parameter": {}}, 400, "'parameter' is not a name of the body"),
        (RUN, [], 400, "not a JSON object"),
        (f"{RUN}?numm=5", None, 400, "numm: no such parameter; did you mean 'num'?"),
        (f"{RUN}?returnNotebok=1", None, 400, "did you mean 'returnNotebook'?"),
        (f"{RUN}?num=five", None, 400, "num"),
        (f"{RUN}?returnNotebook=perhaps", None, 400, "is not a boolean"),
        (f"{RUN}?num=5", {}, 400, "write parameters into the body"),
        ("/run/", None, 400, "'notebook' is missing"),
        (f"/run/?notebook={PATH}&location=disk", None, 400, "neither 's3' nor 'local'"),
        ("/run/missing.ipynb", None, 404, "not found"),
        ("/run/?notebook=missing&location=local", None, 404, "not found"),
        ("/missing.ipynb", {}, 404, "not found"),
        ("/run/your-bucket/missing.ipynb", None, 404, "not found"),
        ("/run/?notebook=s3://private/a.ipynb", None, 403, "not in a bucket that this server may use"),
        ("/run/?location=s3&notebook=your-bucket", None, 400, "not the address of an object"),
        ("/run/..%2F..%2Fetc%2Fpasswd", None, 400, "not the address of an object"),
        ("/run/?notebook=/etc/passwd&location=local", None, 404, "not found"),
    ],
)
def test_what_the_original_answered_by_500_is_the_client_s_error(
    api: Api, path: str, body: Any, status: int, what: str
) -> None:
    answer = api.server.ask("GET" if body is None else "POST", path, json=body)

    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert what in answer.json()["message"]
    assert answer.json().get("error", "No template: none") == "No template: none"


@pytest.mark.parametrize(
    ("output", "status"),
    [
        ("/etc/cron.d/x", 400),
        ("../x", 400),
        ("a/../../x", 400),
        ("{{'..'}}/x", 400),
        ("link/x", 400),
        ("file.ipynb/x", 400),
        ("file:///tmp/x", 400),
        ("http://127.0.0.1/x", 400),
        ("a\0b", 400),
        ("x" * 300, 400),
        ("a/" * 600 + "b", 400),
        ("{{ ''.__class__.__mro__ }}", 400),
        ("{{ config }}", 400),
        ("{{ args.missing }}", 400),
        ("{{ 'x' * 999999999 }}", 400),
        ("s3://private/x", 403),
        ("s3://your-bucket/elsewhere/x", 403),
        ("s3://your-bucket/home/../elsewhere/x", 403),
        ("s3://your-bucket/../../x", 400),
    ],
)
def test_no_path_leads_out_of_the_operator_s_folders(api: Api, output: str, status: int) -> None:
    api.out.mkdir(exist_ok=True)
    (api.out / "file.ipynb").touch()
    if not (api.out / "link").is_symlink():
        (api.out / "link").symlink_to("/")
    answer = api.server.ask("POST", RUN, json={"outputNotebookPath": output})
    (api.out / "file.ipynb").unlink()

    assert answer.status_code == status, answer.text
    assert api.stored() == []
    assert api.objects() == []


def test_a_secret_is_not_in_a_path(api: Api) -> None:
    body = {"parameters": {"key": "hidden"}, "outputNotebookPath": "{{ key }}"}

    assert api.server.ask("POST", "/run/secret.ipynb", json=body).status_code == 400


def test_a_failed_cell_is_named_and_the_notebook_stored(api: Api) -> None:
    answer = api.server.ask("GET", "/run/fails.ipynb")

    assert answer.status_code == 422
    body = answer.json()
    assert "cell 3 failed: ZeroDivisionError" in body["message"]
    assert (body["reason"], body["result"]) == ("cell-error", {"before": 1})
    assert api.server.get(body["run"])["state"] == "failed"
    (path,) = api.out.rglob("*.ipynb")
    assert path.name.startswith("fails_out_")


def test_a_notebook_that_cannot_be_stored_fails_its_run(api: Api) -> None:
    api.out.mkdir(exist_ok=True)
    answer = api.server.ask(
        "POST",
        "/run/slow.ipynb",
        json={"parameters": {"seconds": 1}, "outputNotebookPath": "later/x"},
        headers={"Prefer": "respond-async"},
    )
    run = answer.headers["Location"]
    api.server.wait_for(run.removeprefix("/runs/"), "running")
    (api.out / "later").write_text("a file")
    ended = api.server.wait_for(run.removeprefix("/runs/"))
    (api.out / "later").unlink()

    assert (ended["state"], ended["reason"]) == ("failed", "staging-failed")
    assert "the executed notebook was not stored: " in ended["error"]
    result = api.server.get(f"{run}/result")
    assert (result["state"], result["reason"], result["exit_code"]) == ("failed", "staging-failed", 12)


def test_a_repeated_request_with_an_idempotency_key_is_the_same_run(api: Api) -> None:
    def ask(num: int) -> requests.Response:
        return api.server.ask("POST", RUN, json={"parameters": {"num": num}}, headers={"Idempotency-Key": "once"})

    first, second = ask(1), int(time.time())
    wait_until(lambda: time.time() >= second + 1)  # the executed notebook would have another name

    assert ask(1).json() == first.json()
    assert len(api.stored()) == 1
    assert ask(2).status_code == 422


@pytest.mark.parametrize("prefer", ["respond-async", "wait=0"])
def test_a_client_that_prefers_not_to_wait_gets_the_run_s_address(api: Api, prefer: str) -> None:
    answer = api.server.ask("GET", "/run/slow.ipynb", headers={"Prefer": prefer})

    assert answer.status_code == 202
    assert answer.json()["protocol"] == "papermill-api"
    api.server.ask("DELETE", answer.headers["Location"])
    ended = api.server.wait_for(answer.headers["Location"].removeprefix("/runs/"))
    assert ended["state"] == "dismissed"


def test_a_server_without_boto3_has_no_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)

    with pytest.raises(ProblemError, match="400: s3:// needs boto3"):
        read_notebook_object("s3://your-bucket/a.ipynb")
    with pytest.raises(StagingError, match="s3:// needs boto3"):
        write_new_object(Path(__file__), "s3://your-bucket/a.ipynb")


@pytest.mark.parametrize("links", [True, False])
def test_a_notebook_is_stored_on_file_systems_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    folder = RunFolder(tmp_path / "0a1b")
    folder.output.mkdir(parents=True)
    (folder.output / "a.ipynb").write_text("{}")
    folder.update_result(notebook="a.ipynb")
    if not links:
        monkeypatch.setattr("os.link", no_link)
    storage = NotebookStorage(root=tmp_path / "out")
    for _ in range(2):
        outcome = deliver(Outcome(state=RunState.SUCCEEDED), folder, "b/c.ipynb", storage)
        assert outcome.state is RunState.SUCCEEDED

    assert folder.read_result()["delivered"] == "b/c_2.ipynb"
    assert sorted(path.name for path in (tmp_path / "out" / "b").iterdir()) == ["c.ipynb", "c_2.ipynb"]


def test_no_part_of_a_notebook_is_stored_on_file_systems_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is copied under its final name has a part of its content until the copy ends, or fails."""
    folder = RunFolder(tmp_path / "0a1b")
    folder.output.mkdir(parents=True)
    (folder.output / "a.ipynb").write_text("{}")
    folder.update_result(notebook="a.ipynb")
    monkeypatch.setattr("os.link", no_link)
    monkeypatch.setattr("shutil.copyfileobj", no_link)

    deliver(Outcome(state=RunState.SUCCEEDED), folder, "b.ipynb", NotebookStorage(root=tmp_path / "out"))

    assert [path.read_text() for path in (tmp_path / "out").iterdir()] in ([], ["{}"])


def no_link(*_paths: Path) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


class BusyBucket:
    """A bucket in which another run takes each name between the question and the answer."""

    def __init__(self, code: str) -> None:
        self.code, self.written = code, list[dict[str, Any]]()

    def head_object(self, **_place: str) -> None:
        raise ClientError({"Error": {"Code": "404"}}, "HeadObject")

    def put_object(self, **request: Any) -> None:
        if "IfNoneMatch" in request and request["Key"] == "a.ipynb":
            raise ClientError({"Error": {"Code": self.code}}, "PutObject")
        self.written.append(request)


@pytest.mark.parametrize(
    ("code", "name"), [("PreconditionFailed", "a_2.ipynb"), ("NotImplemented", "a.ipynb"), ("AccessDenied", None)]
)
def test_an_object_of_another_run_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, name: str | None
) -> None:
    bucket = BusyBucket(code)
    monkeypatch.setattr(buckets, "_client", lambda: bucket)
    (tmp_path / "executed").write_text("{}")
    if name is None:
        with pytest.raises(StagingError, match="AccessDenied: access denied"):
            write_new_object(tmp_path / "executed", "s3://your-bucket/a.ipynb")
    else:
        assert write_new_object(tmp_path / "executed", "s3://your-bucket/a.ipynb") == f"s3://your-bucket/{name}"
    assert [one["Key"] for one in bucket.written] == ([name] if name else [])


def test_an_object_whose_answer_was_lost_is_not_stored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore repeats the request, and the store refuses it: the name is taken, by this run."""
    stored: dict[str, str] = {}

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        key = request.url.rpartition("/")[2]
        mark = request.headers.get("x-amz-meta-packmill-write", b"").decode()
        if request.method == "PUT" and key not in stored:
            stored[key] = mark
            raise ConnectionClosedError(endpoint_url=request.url)
        status = 412 if request.method == "PUT" else 200 if key in stored else 404
        return AWSResponse(request.url, status, {"x-amz-meta-packmill-write": stored.get(key, "")}, _NoBody())

    monkeypatch.setattr(buckets, "_client", lambda: _client_of_a_store(answer))
    (tmp_path / "executed").write_text("{}")

    places = [write_new_object(tmp_path / "executed", "s3://your-bucket/a.ipynb") for _ in range(2)]
    assert places == ["s3://your-bucket/a.ipynb", "s3://your-bucket/a_2.ipynb"]
    assert list(stored) == ["a.ipynb", "a_2.ipynb"]


@pytest.mark.parametrize(("by", "name"), [("this run", "a.ipynb"), ("nobody", "a.ipynb"), ("another", "a_2.ipynb")])
def test_an_object_that_is_written_at_the_moment_is_waited_for(
    by: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 answers 409 meanwhile, also if the request that goes on is the first one of the same run."""
    stored: dict[str, str] = {}
    requests: list[str] = []

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        key = request.url.rpartition("/")[2]
        status = 200 if key in stored else 404
        if request.method == "PUT":
            requests.append(request.headers["x-amz-meta-packmill-write"].decode())
            goes_on, is_done = len(requests) <= 2, key == "a.ipynb" and by != "nobody"
            if not goes_on:
                stored[key] = "mark" if is_done and by == "another" else requests[-1]
            status = 409 if goes_on else 412 if is_done else 200
        return AWSResponse(request.url, status, {"x-amz-meta-packmill-write": stored.get(key, "")}, _NoBody())

    monkeypatch.setattr(buckets, "_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(buckets, "_client", lambda: _client_of_a_store(answer))
    (tmp_path / "executed").write_text("{}")

    assert write_new_object(tmp_path / "executed", "s3://your-bucket/a.ipynb") == f"s3://your-bucket/{name}"
    assert name in stored


def _client_of_a_store(answer: Callable[..., AWSResponse]) -> Any:
    settings = Config(retries={"mode": "standard", "max_attempts": 3}, s3={"addressing_style": "path"})
    session = Session()
    session.set_credentials("key", "secret")
    client = session.create_client("s3", region_name="us-east-1", endpoint_url="http://127.0.0.1:9", config=settings)
    client.meta.events.register("before-send.s3", answer)
    return client


class _NoBody:
    """The body of an answer without one, as urllib3 has it."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        return iter(())

    def read(self) -> bytes:
        return b""


def test_a_notebook_whose_name_was_given_before_the_answer_was_lost_has_no_second_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS repeats the request for a hard link, and finds the first one."""
    folder = RunFolder(tmp_path / "0a1b")
    folder.output.mkdir(parents=True)
    (folder.output / "a.ipynb").write_text("{}")
    folder.update_result(notebook="a.ipynb")
    link = os.link

    def link_twice(*paths: Path) -> None:
        link(*paths)
        link(*paths)

    monkeypatch.setattr("os.link", link_twice)
    deliver(Outcome(state=RunState.SUCCEEDED), folder, "b.ipynb", NotebookStorage(root=tmp_path / "out"))

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.ipynb"]
    assert folder.read_result()["delivered"] == "b.ipynb"


def test_other_requests_do_not_run(api: Api) -> None:
    assert [api.server.ask(verb, RUN).status_code for verb in ("HEAD", "PUT", "DELETE")] == [405] * 3


def test_without_a_folder_of_its_own_only_a_path_stores_a_notebook(tmp_path: Path) -> None:
    write_api_notebooks(tmp_path / "root")
    server = NotebookServer(tmp_path / "root", tmp_path / "data", "--workers", "1").start()
    try:
        first = server.ask("GET", f"/run/{PATH}")
        second = server.ask("GET", f"/run/{PATH}?outputNotebookPath=a/b")
        refused = server.ask("GET", "/run/?location=s3&notebook=your-bucket/a")
    finally:
        server.stop()

    assert "X-Output-Notebook" not in first.headers
    assert second.headers["X-Output-Notebook"] == "a/b.ipynb"
    assert [path.name for path in (tmp_path / "data" / "notebooks").rglob("*.ipynb")] == ["b.ipynb"]
    assert not list((tmp_path / "root").rglob("*_out_*"))
    assert refused.status_code == 403


def test_a_role_that_runs_does_not_change_templates(tmp_path: Path) -> None:
    write_api_notebooks(tmp_path / "root")
    tokens = {"PACKMILL_SERVE_TOKENS": "a:run:run-token-of-the-test-1 b:admin:admin-token-of-the-test-1"}
    server = NotebookServer(tmp_path / "root", tmp_path / "data", "--workers", "1", **tokens).start()
    headers = {"Authorization": "Bearer run-token-of-the-test-1"}
    try:
        body = {"name": "a", "content": "x"}
        statuses = [
            server.ask("POST", "/template", json=body).status_code,
            server.ask("POST", "/template", json=body, headers=headers).status_code,
            server.ask("GET", "/template", headers=headers).status_code,
            server.ask("GET", f"/run/{PATH}").status_code,
            server.ask("GET", f"/run/{PATH}", headers=headers).status_code,
        ]
    finally:
        server.stop()

    assert statuses == [401, 403, 200, 401, 200]


def test_executed_notebooks_in_the_served_folder_are_no_notebooks_of_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_notebook(root / "list.ipynb", "", f"{GLUE}import os\nglue('names', sorted(os.listdir()))")
    options = ("--output-root", str(root / "executed"), "--readable", "*", "--workers", "1")
    server = NotebookServer(root, tmp_path / "data", *options).start()
    try:
        results = [server.ask("GET", "/run/list.ipynb") for _ in range(2)]
        served = [one["path"] for one in server.get("/notebooks")["notebooks"]]
        [executed, _] = sorted((root / "executed").glob("*.ipynb"))
        again = server.ask("GET", f"/run/executed/{executed.name}")
    finally:
        server.stop()

    assert [one.json()["result"]["names"] for one in results] == [["list.ipynb"]] * 2
    assert served == ["list.ipynb"]
    assert again.status_code == 404


@pytest.mark.parametrize("folder", ["root", "."])
def test_executed_notebooks_are_not_stored_among_the_sources(folder: str, tmp_path: Path) -> None:
    write_notebook(tmp_path / "root" / "a.ipynb", "")

    refused = serve_command(tmp_path / "root", tmp_path / "data", "--output-root", str(tmp_path / folder))

    assert refused.returncode == 2
    assert "contains the notebooks" in refused.stderr
    assert f"such as {tmp_path}/root/executed" in refused.stderr
