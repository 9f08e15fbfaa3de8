"""Servers that staging is tested against: HTTP with every fault, S3, FTP, SFTP, all real and on loopback."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import forked_programs
from forked_programs import RUNNER
from ports import free_port, is_listening
from waiting import wait_until


@dataclass
class Asked:
    """One request as the server saw it."""

    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


@dataclass
class Page:
    """What a path answers, and what goes wrong with it."""

    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    etag: bool = True
    cut: list[int] = field(default_factory=list)
    """Bytes after which each of the next answers is cut."""
    statuses: list[int] = field(default_factory=list)
    """Statuses of the next answers."""
    stalls: list[float] = field(default_factory=list)
    """Seconds for which each of the next answers is silent before its body."""
    redirect: str = ""
    handler: Callable[[Handler], bool] | None = None
    """Does something else; True when that was all."""
    chunked: bool = False
    claims: int | None = None
    """A Content-Length that is not the content's."""


class Handler(BaseHTTPRequestHandler):
    """Ranges, validators, and the faults of a `Page`."""

    server: HttpServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = Asked(path=self.path, headers={name.lower(): value for name, value in self.headers.items()})
        self.asked = asked
        self.server.asked.append(asked)
        page = self.server.pages.get(unquote(parts.path))
        if page is None:
            return self.answer(404, b"no such page")
        if page.handler and page.handler(self):
            return None
        if page.redirect:
            return self.answer(302, b"", Location=page.redirect)
        if page.statuses:
            return self.answer(page.statuses.pop(0), b"not now", **{"Retry-After": "0"})
        return self.content(page)

    def content(self, page: Page) -> None:
        whole = page.content
        etag = f'"{hashlib.sha1(whole).hexdigest()[:16]}"'
        extra = {**({"ETag": etag} if page.etag else {}), **page.headers}
        if page.etag and self.headers.get("If-None-Match") == etag:
            return self.answer(304, b"", **extra)
        start, end = 0, len(whole)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if wanted and page.ranges and condition in (None, etag, page.headers.get("Last-Modified")):
            start = int(wanted[1])
            if start >= len(whole):
                return self.answer(416, b"", **{"Content-Range": f"bytes */{len(whole)}"})
            end = min(int(wanted[2]) + 1, end) if wanted[2] else end
            extra["Content-Range"] = f"bytes {start}-{end - 1}/{len(whole)}"
        body = whole[start:end]
        self.asked.status = 206 if "Content-Range" in extra else 200
        self.send_response(self.asked.status)
        if page.chunked:
            extra["Transfer-Encoding"] = "chunked"
        else:
            extra["Content-Length"] = str(page.claims if page.claims is not None else len(body))
        for name, value in extra.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return None
        if page.stalls:
            time.sleep(page.stalls.pop(0))
        self.send(body, page)
        return None

    def send(self, body: bytes, page: Page) -> None:
        until = page.cut.pop(0) if page.cut else len(body)
        cut = until < len(body) or (page.claims or 0) > len(body)
        try:
            view = memoryview(body)[:until]
            for index in range(0, len(view), 1024**2):
                block = view[index : index + 1024**2]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block) if page.chunked else block)
                self.asked.sent += len(block)
            if page.chunked and not cut:
                self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        except OSError:
            cut = True
        if cut:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.asked.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


class HttpServer(ThreadingHTTPServer):
    """Pages by path, and what was asked."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), Handler)
        self.pages: dict[str, Page] = {}
        self.asked: list[Asked] = []

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]}:{self.server_address[1]}"

    def put(self, path: str, content: bytes = b"", **options: object) -> str:
        self.pages[path] = Page(content=content, **options)  # type: ignore[arg-type]
        return self.url + path

    def sent(self) -> int:
        return sum(one.sent for one in self.asked)

    def handle_error(self, *_arguments: object) -> None:
        """A client that went away is what is tested."""


@contextmanager
def http_server(host: str = "127.0.0.1") -> Iterator[HttpServer]:
    server = HttpServer(host)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=60)


def earthdata(data: HttpServer, login: HttpServer, user: str, password: str, *, login_url: str = "") -> None:
    """A data host that sends strangers to a login host, which sends them back with a code, which earns a cookie."""

    def granule(handler: Handler) -> bool:
        if "session=good" in handler.headers.get("Cookie", ""):
            return False
        handler.answer(302, b"", Location=f"{login_url or login.url}/oauth/authorize?redirect={data.url}/back")
        return True

    def authorize(handler: Handler) -> bool:
        sent = handler.headers.get("Authorization", "")
        if sent != "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode():
            handler.answer(401, b"HTTP Basic: Access denied.", **{"WWW-Authenticate": "Basic"})
            return True
        back = parse_qs(urlsplit(handler.path).query)["redirect"][0]
        handler.answer(302, b"", Location=f"{back}?code=c0de", **{"Set-Cookie": "urs_session=1; Path=/"})
        return True

    def come_back(handler: Handler) -> bool:
        if "code=c0de" not in handler.path:
            handler.answer(403, b"")
            return True
        handler.answer(302, b"", Location=f"{data.url}/granule.h5", **{"Set-Cookie": "session=good; Path=/"})
        return True

    data.put("/granule.h5", b"granule" * 1000, handler=granule)
    data.put("/back", handler=come_back)
    login.put("/oauth/authorize", handler=authorize)


def wait_for(port: int, process: subprocess.Popen[bytes], what: str) -> None:
    """Until something answers on a port."""

    def answers() -> bool:
        assert process.poll() is None, f"{what} ended"
        return is_listening(port)

    wait_until(answers, message=f"{what} answers")


@dataclass
class S3:
    """An S3 server that checks signatures, and the folder with its buckets."""

    url: str
    folder: Path
    key: str = "AKIDEXAMPLE7"
    secret: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

    @property
    def record(self) -> dict[str, str]:
        return {
            "aws_access_key_id": self.key,
            "aws_secret_access_key": self.secret,
            "endpoint_url": self.url,
            "region_name": "us-east-1",
        }

    def objects(self, bucket: str) -> list[str]:
        top = self.folder / bucket
        return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())


@contextmanager
def s3_server(folder: Path, *, signed: bool = True) -> Iterator[S3]:
    """rclone's S3 over a folder."""
    port = free_port()
    rclone = shutil.which("rclone")
    assert rclone, "rclone is missing"
    one = S3(url=f"http://127.0.0.1:{port}", folder=folder)
    keys = ("--auth-key", f"{one.key},{one.secret}") if signed else ()
    log = folder.with_name(folder.name + ".log")
    with log.open("wb") as out:
        command = [rclone, "serve", "s3", "--addr", f"127.0.0.1:{port}", *keys, "--config", "/dev/null"]
        # rclone 1.75 uses a whole processor from the first request on when the directory cache lasts 0 seconds
        command += ["--vfs-cache-mode", "writes", "--vfs-write-back", "0", "--dir-cache-time", "10ms", str(folder)]
        environment = {"HOME": str(folder.parent), "XDG_CACHE_HOME": str(folder.parent / "cache"), "PATH": "/usr/bin"}
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        try:
            wait_for(port, process, "rclone")
            yield one
        finally:
            process.terminate()
            process.wait(timeout=120)


def json_page(value: object) -> bytes:
    return json.dumps(value).encode()


def http_date(seconds: float) -> str:
    return formatdate(seconds, usegmt=True)


_CLEAN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("AWS_", "PACKMILL_", "EARTHDATA_", "MAAP_", "SSL_CERT"))
    and not name.lower().endswith(("_proxy", "_ca_bundle"))
}


@dataclass
class Staged:
    """How a step ended."""

    code: int
    out: str
    err: str
    folder: Path

    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "staged").iterdir())

    def content(self, name: str) -> bytes:
        return (self.folder / "staged" / name).read_bytes()


Runner = Callable[..., Staged]


def start(folder: Path, *words: object, home: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    """``packmill-runner`` with these words, not waited for."""
    return forked_programs.start(
        RUNNER,
        *words,
        cwd=folder,
        env={**_CLEAN, "HOME": str(home or folder), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
