"""A small platform with OGC API - Processes, Part 2 (OGC 20-044): it checks a client by the clauses of the standard."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ruamel.yaml import YAML

_PART_2 = "http://www.opengis.net/spec/ogcapi-processes-2/1.0/conf"
_EXCEPTION = "https://www.opengis.net/def/exceptions/ogcapi-processes-2/1.0"
_CWL = ("application/cwl", "application/cwl+yaml", "application/cwl+json")
PACKAGE = "application/ogcapppkg+json"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that the platform got."""

    method: str
    path: str
    query: str
    media_type: str
    token: str
    body: bytes


@dataclass(kw_only=True)
class Platform:
    """The state of the platform, and how it behaves; ``answers`` are given before those of the standard."""

    address: str = ""
    classes: tuple[str, ...] = ("deploy-replace-undeploy", "ogcapppkg", "cwl", "docker")
    takes: tuple[str, ...] = (PACKAGE, *_CWL)
    token: str = ""
    immutable: bool = False
    queues: bool = False
    locates: Callable[[str], str] = str
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    processes: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def methods(self) -> list[str]:
        """Return what was asked, such as ``POST /processes``."""
        return [f"{one.method} {one.path}" for one in self.asked]


@contextmanager
def platform_server(platform: Platform) -> Iterator[Platform]:
    """Serve a platform on loopback, below ``/ogc-api``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def do_PUT(self) -> None:
            self.answer()

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            asked = Asked(
                method=self.command,
                path=url.path.removeprefix("/ogc-api"),
                query=url.query,
                media_type=self.headers.get("Content-Type", ""),
                token=self.headers.get("Authorization", ""),
                body=body,
            )
            platform.asked.append(asked)
            status, headers, content = platform.answers.pop(0) if platform.answers else _answer(platform, asked)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    platform.address = f"http://127.0.0.1:{server.server_address[1]}/ogc-api"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield platform
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(platform: Platform, asked: Asked) -> tuple[int, dict[str, str], bytes]:
    if platform.token and asked.token != f"Bearer {platform.token}":
        return _problem(401, "unauthorized", "a token is needed")
    if asked.path == "/conformance":
        return _json(200, {"conformsTo": [f"{_PART_2}/{one}" for one in platform.classes]})
    if asked.method == "POST" and asked.path == "/processes":
        return _deploy(platform, asked)
    identifier = unquote(asked.path.removeprefix("/processes/"))
    if identifier not in platform.processes:
        return _problem(404, "no-such-process", f"{identifier} is not there")
    if asked.method == "GET":
        return _json(200, platform.processes[identifier])
    return _replace(platform, asked, identifier)


def _deploy(platform: Platform, asked: Asked) -> tuple[int, dict[str, str], bytes]:
    """Answer as /req/deploy-replace-undeploy/deploy-* and /req/cwl/deploy-* require."""
    if asked.media_type not in platform.takes:
        return _problem(415, "unsupported-media-type", f"{asked.media_type} is not taken")
    try:
        description = _read(asked)
    except LookupError:
        return _problem(400, "workflow-not-found", "no such workflow")
    except ValueError as error:
        return _problem(400, "invalid-body", str(error))
    identifier = description["id"]
    where = {"Location": platform.locates(f"{platform.address}/processes/{identifier}")}
    if identifier in platform.processes:
        if platform.immutable:
            return _problem(403, "immutable-process", f"{identifier} cannot be changed")
        status, headers, content = _problem(409, "duplicated-process", f"{identifier} exists")
        return status, {**headers, **where}, content
    platform.processes[identifier] = description
    status, headers, content = _json(202 if platform.queues else 201, description)
    return status, {**headers, **where}, content


def _replace(platform: Platform, asked: Asked, identifier: str) -> tuple[int, dict[str, str], bytes]:
    """Answer as /req/deploy-replace-undeploy/replace-* require."""
    if asked.media_type not in platform.takes:
        return _problem(415, "unsupported-media-type", f"{asked.media_type} is not taken")
    platform.processes[identifier] = {**_read(asked), "id": identifier}
    return 204, {}, b""


def _read(asked: Asked) -> dict[str, Any]:
    """Return the description in a body; from CWL, the name of the workflow that ``w`` names.

    Raises:
        LookupError: the CWL has no such workflow.
        ValueError: the body is no application package.
    """
    if asked.media_type == PACKAGE:
        package = json.loads(asked.body)
        if "executionUnit" not in package or not {"id", "version"} <= set(package["processDescription"]):
            raise ValueError("executionUnit, id or version is missing")
        description: dict[str, Any] = package["processDescription"]
        return description
    document = YAML(typ="safe", pure=True).load(asked.body.decode())
    found = {one["id"]: one for one in document["$graph"] if one["class"] == "Workflow"}
    named = parse_qs(asked.query).get("w", list(found)[:1])[0]
    return {"id": found[named]["id"], "version": str(document["s:version"])}


def _json(status: int, value: Any) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _problem(status: int, kind: str, detail: str) -> tuple[int, dict[str, str], bytes]:
    problem = {"type": f"{_EXCEPTION}/{kind}", "title": kind, "status": status, "detail": detail}
    return status, {"Content-Type": "application/problem+json"}, json.dumps(problem).encode()
