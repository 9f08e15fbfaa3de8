"""A client of kernels behind a Kernel Gateway: Jupyter's messages over a websocket, as its documentation has them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jupyter_client.session import Session
from websocket import WebSocket, create_connection


@dataclass
class Result:
    """What a cell printed and showed, and how it ended."""

    status: str = ""
    text: str = ""
    error: str = ""


@dataclass
class Channels:
    """The channels of one kernel."""

    socket: WebSocket
    session: Session = field(default_factory=lambda: Session(key=b""))

    def send(self, kind: str, content: Mapping[str, Any], channel: str = "shell") -> str:
        """Send a message and return its id."""
        message = self.session.msg(kind, dict(content))
        header = {**message["header"], "date": message["header"]["date"].isoformat()}
        self.socket.send(json.dumps({**message, "header": header, "channel": channel, "buffers": []}))
        return str(message["header"]["msg_id"])

    def receive(self) -> dict[str, Any]:
        """Return the next message."""
        message: dict[str, Any] = json.loads(self.socket.recv())
        return message

    def begin(self, code: str) -> str:
        """Send a cell and return the id of the request."""
        return self.send(
            "execute_request",
            {
                "code": code,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": True,
                "stop_on_error": True,
            },
        )

    def finish(self, request: str, *, answer: str = "") -> Result:
        """Wait for the end of a cell; ``answer`` is for its questions."""
        result, idle = Result(), False
        while not (result.status and idle):
            message = self.receive()
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != request:
                continue
            if kind == "stream":
                result.text += content["text"]
            elif kind == "execute_result":
                result.text += content["data"]["text/plain"]
            elif kind == "error":
                result.error = f"{content['ename']}: {content['evalue']}"
            elif kind == "execute_reply":
                result.status = content["status"]
            elif kind == "input_request":
                self.send("input_reply", {"value": answer}, "stdin")
            idle = idle or (kind == "status" and content["execution_state"] == "idle")
        return result

    def run(self, code: str, *, answer: str = "") -> Result:
        """Run a cell."""
        return self.finish(self.begin(code), answer=answer)

    def wait_for_status(self, state: str) -> None:
        """Wait until the kernel has a state."""
        while self.receive().get("content", {}).get("execution_state") != state:
            pass


class KernelClient:
    """A client of one server."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url, self.token = url, token

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Send a request; return the status, and the JSON of the body or its text."""
        data = None if body is None else json.dumps(body).encode()
        given = {"Authorization": f"token {self.token}"} if self.token else {}
        request = urllib.request.Request(f"{self.url}{path}", data=data, method=method, headers={**given, **headers})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, _parse(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _parse(error.read())

    def start(self, **model: Any) -> str:
        """Start a kernel and return its id."""
        status, kernel = self.ask("POST", "/api/kernels", model)
        assert status == 201, kernel
        return str(kernel["id"])

    @contextmanager
    def channels(self, kernel: str, *, query: str = "", **options: Any) -> Iterator[Channels]:
        """Open the channels of a kernel."""
        headers = [f"Authorization: token {self.token}"] if self.token and not query else []
        address = f"{self.url.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels{query}"
        socket = create_connection(
            address, timeout=60, header=headers, suppress_origin="origin" not in options, **options
        )
        try:
            yield Channels(socket)
        finally:
            socket.close()


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body or b"null")
    except ValueError:
        return body.decode()
