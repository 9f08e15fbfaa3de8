"""A real ``packmill-runner gateway``, or the Jupyter Kernel Gateway itself, and requests byte for byte."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from forked_programs import RUNNER, start
from ports import free_port, is_listening
from support import here
from waiting import wait_until


@dataclass(frozen=True)
class Reply:
    """A response; names of headers are in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)


class GatewayServer:
    """A server of a program; stopped by its own process id."""

    def __init__(
        self, folder: Path, *options: str, jupyters: bool = False, fresh: bool = False, **environment: str
    ) -> None:
        self.port = free_port()
        self.log = folder / f"gateway-{self.port}.log"
        self._folder, self._fresh = folder, fresh
        self._program = ("kernel_gateway", *options) if jupyters else (RUNNER, "gateway", *options)
        own = {name: value for name, value in os.environ.items() if not name.startswith("KG_")}
        self._environment = {**own, "KG_PORT": str(self.port), "PYTHONPATH": str(here.parent), **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> GatewayServer:
        with self.log.open("ab") as log:
            given = {"env": self._environment, "stdout": log, "stderr": log, "fresh": self._fresh}
            self.process = start(*self._program, cwd=self._folder, **given)
        wait_until(self._answers, message="the gateway answers")
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        return is_listening(self.port)

    def ask(self, method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None) -> Reply:
        """Send a request with these headers and no others but Host and Content-Length."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            data = response.read()
            return Reply(response.status, [(name.lower(), value) for name, value in response.getheaders()], data)
        finally:
            connection.close()

    def text(self, path: str, method: str = "GET", body: bytes | None = None) -> str:
        """The body of a successful response."""
        reply = self.ask(method, path, body=body)
        assert reply.status == 200, reply
        return reply.text

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop the server, unless it has stopped, and return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=120)
