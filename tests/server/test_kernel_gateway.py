"""The Jupyter Kernel Gateway's responses and those of ``packmill-runner gateway``, to the same requests.

The Kernel Gateway's responses are recorded. ``--live-gateway PYTHON`` asks the one of another environment instead, and
``--regenerate`` with it writes the records. A difference that is meant is in `Case.ours`, with its reason; the table in
docs/serving.md lists them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gateway_server import GatewayServer, Reply
from support import cases, write_notebook

_RECORDS = cases / "gateway" / "jupyter_kernel_gateway-3.0.1.json"
_UNCOMPARED = {"date", "server", "content-length", "connection", "transfer-encoding"}
_FORM, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data; boundary=xyz"
_CELLS = (
    "import json, os, sys, time\nbooks = {'1': 'Ulysses'}\nvisits = 0",
    "# GET /books\nprint(json.dumps(books))",
    "# GET /books/:id\nwanted = json.loads(REQUEST)['path']['id']\nprint(books[wanted])",
    "# ResponseInfo GET /books/:id\nprint(json.dumps({'headers': {'Content-Type': 'text/x-title', 'X-Shelf': 3}}))",
    "# POST /books\nnew = json.loads(REQUEST)['body']\nbooks['2'] = new['title']",
    "# POST /books\nprint(json.dumps(sorted(books.values())))",
    "# ResponseInfo POST /books\nprint(json.dumps({'status': 201, 'headers': {'Location': '/books/2'}}))",
    "# GET /request/:one/:two\nprint(REQUEST)",
    *(f"# {verb} /request\nprint(REQUEST)" for verb in ("GET", "POST", "PUT", "DELETE")),
    "# GET /value\nprint('ignored', file=sys.stderr)\n{'pages': 730}",
    "# GET /quiet\npages = 730",
    "# GET /both\nprint('printed')\n'returned'",
    "# GET /table\nfrom IPython.display import HTML\nHTML('<i>table</i>')",
    "# GET /displayed\ndisplay('only shown')",
    "# GET /fails\nprint('before')\nopen('/nonexistent')",
    "# GET /unclosed\nprint('never'",
    "# GET /stops\nsys.exit('enough')",
    "# GET /waits\nimport asyncio\nawait asyncio.sleep(0.01)\nprint('awaited')",
    "# GET /shell\n!echo from a shell",
    "# GET /page.html\nprint('a page')",
    "# GET /letters/[a-c]+\nprint('letters')",
    "# GET /slash/\nprint('slash')",
    "# GET    /spaced   \nprint('spaced')",
    "# get /lower\nseeded_lower = True",
    "\n# GET /second\nseeded_second = True",
    "# GET /seeded\nprint(sorted(name for name in globals() if name.startswith('seeded')))",
    "# GET /text\nprint('naïve → 😀\\r\\nend', end='')",
    "# GET /large\nprint('x' * 200_000)",
    "# GET /visits\nvisits += 1\nprint(visits)",
    "# GET /environment\nprint(os.environ.get('KERNEL_GATEWAY'), 'KG_AUTH_TOKEN' in os.environ)",
    "# GET /folder\nprint(os.getcwd() == os.environ['FOLDER'])",
    *(
        f"# GET /info/{name}\nprint('body')\n" if not source else f"# ResponseInfo GET /info/{name}\n{source}"
        for name, info in {
            "words": "print('not JSON')",
            "nothing": "pass",
            "value": "json.dumps({'status': 201})",
            "error": "raise ValueError('in the info')",
            "list": "print('[1]')",
            "text": "print(json.dumps({'status': '201'}))",
            "redirect": "print(json.dumps({'status': 302, 'headers': {'Location': '/books', 'Set-Cookie': 'a=1'}}))",
            "several": "print(json.dumps({'headers': {'X-Several': ['a', 'b']}}))",
            "unavailable": "print(json.dumps({'status': 503, 'headers': {'Retry-After': 5}}))",
            "teapot": "print(json.dumps({'status': 418}))",
        }.items()
        for source in ("", info)
    ),
    "# GET /info/empty\nprint('body')",
    "# ResponseInfo GET /info/empty\nprint(json.dumps({'status': 204}))",
)


@dataclass(frozen=True)
class Case:
    """A request, and what differs in our response: status, body, headers, and why."""

    setup: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    ours: dict[str, Any] = field(default_factory=dict)
    why: str = ""


def _multipart(*parts: str) -> bytes:
    return "".join(f"--xyz\r\n{part}\r\n" for part in parts).encode() + b"--xyz--\r\n"


_MEANT_INFO = "a ResponseInfo cell that does not print what it should is an error, not an empty body"
_TYPE = ("Content-Type", "application/json")
CASES = {
    "printed": Case("plain", "GET", "/books"),
    "path and info": Case("plain", "GET", "/books/1"),
    "joined cells, status and header": Case("plain", "POST", "/books", (_TYPE,), b'{"title": "Dubliners"}'),
    "key error": Case("plain", "GET", "/books/3"),
    "path of two": Case("plain", "GET", "/request/a%2Fb/c%20d+e%C3%BC"),
    "path with dots": Case("plain", "GET", "/request/../echo"),
    "path with an empty segment": Case("plain", "GET", "/request//x"),
    "query": Case("plain", "GET", "/request?a=1&a=2&b=&c&d=x+y&e=%C3%BC&f=a%26b"),
    "query with a semicolon": Case("plain", "GET", "/request?a=1;b=2"),
    "JSON": Case("plain", "POST", "/request", (_TYPE,), b'{"a": [1, null, "\\u00fc \\" \\\\ \\ud83d\\ude00"]}'),
    "JSON list": Case("plain", "PUT", "/request", (_TYPE,), b"[1, 2]"),
    "JSON number": Case("plain", "POST", "/request", (_TYPE,), b"12345678901234567890123"),
    "JSON NaN": Case("plain", "POST", "/request", (_TYPE,), b"NaN"),
    "invalid JSON": Case("plain", "POST", "/request", (_TYPE,), b"{"),
    "empty JSON": Case("plain", "POST", "/request", (_TYPE,), b""),
    "JSON with a charset": Case(
        "plain",
        "POST",
        "/request",
        (("Content-Type", "application/json; charset=utf-8"),),
        b'{"a": 1}',
        {"request": {"body": {"a": 1}}},
        "a charset does not make JSON or a form a text",
    ),
    "JSON in upper case": Case(
        "plain",
        "POST",
        "/request",
        (("Content-Type", "Application/JSON"),),
        b'{"a": 1}',
        {"request": {"body": {"a": 1}}},
        "types are not case-sensitive",
    ),
    "form": Case("plain", "POST", "/request", (("Content-Type", _FORM),), b"a=1&a=2&b=x+y&c="),
    "form with a charset": Case(
        "plain",
        "POST",
        "/request",
        (("Content-Type", f"{_FORM}; charset=utf-8"),),
        b"a=1",
        {"request": {"body": {"a": ["1"]}}},
        "a charset does not make JSON or a form a text",
    ),
    "multipart": Case(
        "plain",
        "POST",
        "/request",
        (("Content-Type", _MULTIPART),),
        _multipart('Content-Disposition: form-data; name="t"\r\n\r\ntext'),
    ),
    "multipart with a file": Case(
        "plain",
        "POST",
        "/request",
        (("Content-Type", _MULTIPART),),
        _multipart('Content-Disposition: form-data; name="f"; filename="f.bin"\r\n\r\nDATA'),
        {"request": {"files": {"f": [{"filename": "f.bin", "path": "<upload>/f/f.bin", "size": 4}]}}},
        "files are there, not dropped",
    ),
    "multipart without boundary": Case(
        "plain", "POST", "/request", (("Content-Type", "multipart/form-data"),), b"x"
    ),
    "text": Case("plain", "PUT", "/request", (("Content-Type", "text/plain"),), b"plain"),
    "no type": Case("plain", "POST", "/request", (), b"raw"),
    "no body": Case("plain", "DELETE", "/request"),
    "bytes": Case(
        "plain",
        "POST",
        "/request",
        (("Content-Type", "application/octet-stream"),),
        b"\xff\xfe",
        {"status": 400, "reason": "Bad Request"},
        "an error instead of an empty 200; files come as multipart/form-data",
    ),
    "headers": Case("plain", "GET", "/request", (("X-A", "1"), ("x-a", "2"), ("X-b-C", "3"), ("Cookie", "s=1"))),
    "value": Case("plain", "GET", "/value"),
    "quiet": Case("plain", "GET", "/quiet"),
    "both": Case("plain", "GET", "/both"),
    "table": Case("plain", "GET", "/table"),
    "displayed": Case("plain", "GET", "/displayed"),
    "fails": Case("plain", "GET", "/fails"),
    "unclosed": Case("plain", "GET", "/unclosed"),
    "stops": Case("plain", "GET", "/stops"),
    "waits": Case("plain", "GET", "/waits"),
    "shell": Case("plain", "GET", "/shell"),
    "page": Case("plain", "GET", "/page.html"),
    "dot": Case(
        "plain",
        "GET",
        "/pageXhtml",
        ours={"status": 404, "reason": "Not Found"},
        why="a dot in a path is a dot, unless the path has other characters of a regular expression",
    ),
    "pattern": Case("plain", "GET", "/letters/abc"),
    "outside of the pattern": Case("plain", "GET", "/letters/abz"),
    "slash": Case("plain", "GET", "/slash/"),
    "without the slash": Case("plain", "GET", "/slash"),
    "spaced": Case("plain", "GET", "/spaced"),
    "lower": Case("plain", "GET", "/lower"),
    "seeded": Case("plain", "GET", "/seeded"),
    "unicode": Case("plain", "GET", "/text"),
    "large": Case("plain", "GET", "/large"),
    "environment": Case("plain", "GET", "/environment"),
    "folder": Case("plain", "GET", "/folder"),
    "Accept": Case("plain", "GET", "/value", (("Accept", "application/json"), ("Accept-Encoding", "gzip"))),
    "If-None-Match": Case("plain", "GET", "/both", (("If-None-Match", "*"),)),
    "nothing there": Case("plain", "GET", "/nothing"),
    "other method": Case(
        "plain",
        "DELETE",
        "/books",
        ours={"status": 405, "reason": "Method Not Allowed", "headers": {"allow": "GET, OPTIONS, POST"}},
        why="405 has the header Allow and a reason",
    ),
    "PATCH": Case("plain", "PATCH", "/books", ours={"headers": {"allow": "GET, OPTIONS, POST"}}, why="Allow"),
    "HEAD": Case("plain", "HEAD", "/books", ours={"headers": {"allow": "GET, OPTIONS, POST"}}, why="Allow"),
    "OPTIONS": Case(
        "plain", "OPTIONS", "/books", ours={"headers": {"content-type": None}}, why="an empty body has no type"
    ),
    "info: words": Case(
        "plain",
        "GET",
        "/info/words",
        ours={
            "status": 500,
            "body": "Error ResponseInfo: the cell must print one JSON object with status and headers \n",
        },
        why=_MEANT_INFO,
    ),
    "info: nothing": Case("plain", "GET", "/info/nothing", ours={"status": 200, "body": "body\n"}, why=_MEANT_INFO),
    "info: value": Case("plain", "GET", "/info/value"),
    "info: error": Case("plain", "GET", "/info/error"),
    "info: list": Case("plain", "GET", "/info/list"),
    "info: redirect": Case("plain", "GET", "/info/redirect"),
    "info: several": Case(
        "plain",
        "GET",
        "/info/several",
        ours={"status": 200, "body": "body\n", "headers": {"x-several": ["a", "b"]}},
        why="a list is a header several times",
    ),
    "info: unavailable": Case("plain", "GET", "/info/unavailable"),
    "info: teapot": Case("plain", "GET", "/info/teapot"),
    "first visit": Case("shared", "GET", "/visits"),
    "second visit": Case("shared", "GET", "/visits"),
    "visit of another kernel": Case("two", "GET", "/visits"),
    "visit of the second kernel": Case("two", "GET", "/visits"),
    "visit of the first kernel again": Case("two", "GET", "/visits"),
    "token in the header": Case("token", "GET", "/request", (("Authorization", "token T0"),)),
    "wrong token": Case("token", "GET", "/books", (("Authorization", "token T1"),)),
    "no token": Case("token", "GET", "/books"),
    "token in the query": Case("token", "GET", "/request?token=T0"),
    "wrong token in the query": Case("token", "GET", "/books?token=T1", (("Authorization", "token T0"),)),
    "token in a form": Case("token", "POST", "/request", (("Content-Type", _FORM),), b"token=T0&a=1"),
    "bearer": Case(
        "token",
        "GET",
        "/books",
        (("Authorization", "Bearer T0"),),
        None,
        {"status": 200, "body": '{"1": "Ulysses"}\n', "headers": {"content-type": "text/plain"}},
        "Bearer is the standard's word (RFC 6750)",
    ),
    "OPTIONS needs no token": Case(
        "token", "OPTIONS", "/books", ours={"headers": {"content-type": None}}, why="an empty body has no type"
    ),
    "unknown path needs no token": Case("token", "GET", "/nothing"),
    "swagger needs the token": Case("token", "GET", "/_api/spec/swagger.json"),
    "token is not in the environment": Case("based", "GET", "/base/environment", (("Authorization", "token T0"),)),
    "base": Case(
        "based",
        "GET",
        "/base/books",
        (("Authorization", "token T0"), ("Origin", "https://o.example")),
        None,
        {"headers": {"access-control-allow-origin": "https://o.example", "access-control-max-age": "5"}},
        "the options for CORS have an effect",
    ),
    "preflight": Case(
        "based",
        "OPTIONS",
        "/base/books",
        (("Origin", "https://o.example"), ("Access-Control-Request-Method", "GET")),
        None,
        {
            "headers": {
                "access-control-allow-origin": "https://o.example",
                "access-control-max-age": "5",
                "content-type": None,
            }
        },
        "the options for CORS have an effect",
    ),
    "without the base": Case("based", "GET", "/books", (("Authorization", "token T0"),)),
    "source": Case(
        "based",
        "GET",
        "/base/_api/source",
        (("Authorization", "token T0"),),
        None,
        {"headers": {"content-type": "application/x-ipynb+json", "accept-ranges": None, "last-modified": None}},
        "the type of notebooks; no parts of the file",
    ),
    "source is not served by default": Case("plain", "GET", "/_api/source"),
}  # fmt: skip


def options_of(setup: str, notebook: Path, *, ours: bool) -> tuple[list[str], dict[str, str]]:
    """The options and variables of a set-up, in the Kernel Gateway's spelling."""
    options = [f"--KernelGatewayApp.seed_uri={notebook}", "--KernelGatewayApp.api=kernel_gateway.notebook_http"]
    environment = {"FOLDER": str(notebook.parent)}
    if setup == "token":
        options.append("--KernelGatewayApp.auth_token=T0")
    if setup == "based":
        environment |= {"KG_AUTH_TOKEN": "T0", "KG_BASE_URL": "/base/", "KG_MAX_AGE": "5"}
        environment |= {"KG_ALLOW_ORIGIN": "https://o.example", "KG_ALLOW_NOTEBOOK_DOWNLOAD": "True"}
    if setup == "two":
        options.append("--KernelGatewayApp.prespawn_count=2")
    if ours and setup in ("shared", "two"):
        options.append("--shared-kernel")
    return options, environment


def plain(reply: Reply, port: int) -> dict[str, Any]:
    """A response without what differs from server to server."""
    text = reply.text.replace(f"127.0.0.1:{port}", "{host}")
    if "packmill-upload" in text:  # the pattern takes minutes for a long text without it
        text = re.sub(r"[^\s\"]+/packmill-upload-\w+", "<upload>", text)
    text = re.sub(r"\(\d+\.py, line", "(<cell>.py, line", text)
    headers: dict[str, Any] = {}
    for name, value in reply.headers:
        if name not in _UNCOMPARED:
            is_of_other_text = name == "etag" and text != reply.text
            headers.setdefault(name, []).append("<changed>" if is_of_other_text else value)
    return {"status": reply.status, "headers": headers, "body": text}


def ask_all(servers: dict[str, GatewayServer]) -> dict[str, Any]:
    """The responses to all cases, in their order."""
    found = {}
    for name, case in CASES.items():
        server = servers[case.setup]
        found[name] = plain(server.ask(case.method, case.path, case.headers, case.body), server.port)
    return found


def start_all(folder: Path, program: list[str] | None = None) -> dict[str, GatewayServer]:
    """A server for each set-up; ``program`` is that of the Kernel Gateway."""
    notebook = write_notebook(folder / "books.ipynb", *_CELLS, tags=())
    servers = {}
    for setup in sorted({case.setup for case in CASES.values()}):
        options, environment = options_of(setup, notebook, ours=program is None)
        more = {"program": program} if program else {}
        servers[setup] = GatewayServer(folder, *options, **more, **environment)  # type: ignore[arg-type]
    for server in servers.values():
        server.start()
    return servers


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    servers = start_all(tmp_path_factory.mktemp("ours"))
    yield ask_all(servers)
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, Any]:
    python = request.config.getoption("--live-gateway")
    if not python:
        recorded: dict[str, Any] = json.loads(_RECORDS.read_text(encoding="utf-8"))
        return recorded
    servers = start_all(tmp_path_factory.mktemp("theirs"), [python, "-m", "kernel_gateway"])
    found = ask_all(servers)
    for server in servers.values():
        server.stop()
    if request.config.getoption("--regenerate"):
        _RECORDS.parent.mkdir(parents=True, exist_ok=True)
        _RECORDS.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    return found


def expected(case: Case, theirs: dict[str, Any]) -> dict[str, Any]:
    """Their response with the differences that are meant."""
    headers = {**theirs["headers"]}
    for name, value in case.ours.get("headers", {}).items():
        headers[name] = value if isinstance(value, list) else [value]
        if value is None:
            del headers[name]
    body = case.ours.get("body", theirs["body"])
    if "request" in case.ours:
        body = json.dumps({**json.loads(body), **case.ours["request"]}) + "\n"
    return {"status": case.ours.get("status", theirs["status"]), "headers": headers, "body": body}


@pytest.mark.parametrize("name", CASES)
def test_both_gateways_answer_alike(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    case, found = CASES[name], ours[name]
    wanted = expected(case, theirs[name])
    if case.setup == "based":
        wanted["headers"].setdefault("access-control-allow-origin", ["https://o.example"])
        wanted["headers"].setdefault("access-control-max-age", ["5"])
    if case.ours:  # of another body
        found["headers"].pop("etag", None)
        wanted["headers"].pop("etag", None)
    is_problem = found["status"] >= 400 and found["headers"].get("content-type") == ["application/json"]
    if is_problem and case.method != "HEAD":  # with a message, or a reason where there is none
        found["body"] = json.loads(found["body"])["reason"]
        wanted["body"] = case.ours.get("reason") or json.loads(theirs[name]["body"])["reason"]
        wanted["headers"]["content-type"] = ["application/json"]
        found["headers"].pop("www-authenticate", None)

    assert found == wanted
    assert bool(case.ours) == bool(case.why)
    if case.ours:
        assert expected(case, theirs[name]) != theirs[name] or "reason" in case.ours, "no difference any more"
