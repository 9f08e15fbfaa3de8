"""Notebooks over HTTP, beside papermill for each request and the kernel gateway's shared kernels; prints ratios.

    .venv/bin/python tests/bench/serving.py [--seconds 10] [--soak 20000]

Servers are started one after another, asked by the same client (asyncio, kept connections) from a process of its own. A
server that answers without doing anything shows what the client itself can do.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from ports import free_port
from support import write_notebook

_HERE = Path(__file__).parents[2]
_SCIENCE = ("numpy", "pandas", "matplotlib")
_ASKED = '{{"notebook": "{name}", "parameters": {{"x": {x}}}, "kernels": "{way}"}}'
_GATEWAY = "# GET /run\nimport json\nprint(json.loads(REQUEST)['args'].get('x', ['0'])[0])"

_NULL_SERVER = """
import asyncio, sys
async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\\r")[0]
            await reader.readexactly(int(length or 0))
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
    except asyncio.IncompleteReadError:
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
asyncio.run(main())
"""
"""Answers at once."""

_PAPERMILL_SERVER = """
import json, os, socket, sys, tempfile
from http.server import BaseHTTPRequestHandler, HTTPServer
import papermill
root = sys.argv[2]
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = os.path.join(root, body["notebook"])
        with tempfile.NamedTemporaryFile(suffix=".ipynb") as out:
            done = papermill.execute_notebook(path, out.name, body["parameters"], progress_bar=False)
        data = json.dumps({"cells": len(done.cells)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
os.fork()
server.serve_forever()
"""
"""papermill-api's way: papermill in the server, two worker processes on one socket."""


@dataclass
class Measured:
    """Durations in seconds of answers by status, and the time that all of them took."""

    seconds: float = 0.0
    durations: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Successful answers per second."""
        return self.statuses.get(200, 0) / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds within which a share of the successful answers came."""
        return sorted(self.durations)[min(len(self.durations) - 1, int(share * len(self.durations)))] * 1000

    def __str__(self) -> str:
        others = {status: number for status, number in self.statuses.items() if status != 200}
        tail = f", p50 {self.percentile(0.5):.0f} ms, p99 {self.percentile(0.99):.0f} ms" if self.durations else ""
        return f"{self.rate:7.1f}/s{tail}" + (f", other answers {others}" if others else "")


Ask = Callable[[int], bytes]
"""The request with a number, as bytes."""


def request(method: str, path: str, body: str = "") -> bytes:
    """A request on a kept connection."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def answer(reader: asyncio.StreamReader) -> int:
    """Read an answer; its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    if length:
        await reader.readexactly(int(length))
    return int(head.split(b" ", 2)[1])


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server on this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def load(port: int, ask: Ask, *, clients: int, seconds: float, pause: float = 0.0, most: int = 0) -> Measured:
    """Send requests from some clients at once, each after the answer to its last one and ``pause`` seconds."""
    measured, numbers = Measured(), itertools.count(1)
    began = time.perf_counter()

    async def one() -> None:
        async with connection(port) as (reader, writer):
            while time.perf_counter() - began < seconds:
                number = next(numbers)
                if most and number > most:
                    return
                sent = time.perf_counter()
                writer.write(ask(number))
                status = await answer(reader)
                measured.statuses[status] = measured.statuses.get(status, 0) + 1
                if status == 200:
                    measured.durations.append(time.perf_counter() - sent)
                else:
                    await asyncio.sleep(0.05)
                if pause:
                    await asyncio.sleep(pause)

    await asyncio.gather(*(one() for _ in range(clients)))
    measured.seconds = time.perf_counter() - began
    return measured


@contextmanager
def running(command: list[str], port: int, ask: Ask, **environment: str) -> Iterator[int]:
    """A server's process, from its first successful answer on; its process id."""
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(
            command, stdout=nothing, stderr=nothing, env={**os.environ, **environment}, start_new_session=True
        )
    try:
        for _ in range(600):
            assert process.poll() is None, command
            try:
                first = load(port, ask, clients=1, seconds=60, most=1)
                if asyncio.run(asyncio.wait_for(first, 60)).statuses.get(200):
                    break
            except OSError:
                pass
            time.sleep(0.1)
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def environments(folder: Path) -> tuple[Path, Path]:
    """Python environments of notebooks (with science packages) and of the kernel gateway."""
    uv = str(Path(sys.executable).parent / "uv")
    packages = {"science": ("ipykernel", *_SCIENCE), "gateway": ("jupyter_kernel_gateway", "ipykernel")}
    for name, wanted in packages.items():
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(folder / name)], check=True)
        python = str(folder / name / "bin/python")
        subprocess.run([uv, "pip", "install", "-q", "--compile-bytecode", "--python", python, *wanted], check=True)
    return folder / "science/bin/python", folder / "gateway/bin/python"


def write_notebooks(root: Path) -> None:
    """The notebooks of the figures: one parameter, one scrap."""
    glue = "from packmill import glue\nglue('y', x * 2)"
    write_notebook(root / "trivial.ipynb", "x: int = 1", glue)
    write_notebook(root / "science.ipynb", "x: int = 1", f"import numpy, pandas, matplotlib.pyplot\n{glue}")
    write_notebook(root / "gateway.ipynb", _GATEWAY, tags=())
    record = "{'application/papermill.record+json': {'y': x}}"
    write_notebook(root / "papermill.ipynb", "x = 1", f"display({record}, raw=True)")


def ours(name: str, way: str) -> Ask:
    """A run that waits for its result."""
    return lambda number: request("POST", "/runs?wait=60", _ASKED.format(name=name, x=number, way=way))


def serve_command(root: Path, data: Path, port: int, *options: str) -> list[str]:
    """Start ``packmill-runner serve``."""
    command = [sys.executable, "-m", "generator.runner", "serve", "--root", str(root), "--data", str(data)]
    return [*command, "--port", str(port), *options]


def memory_of(group: int) -> int:
    """Proportional set size in bytes of all processes of the sessions that a server started."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent_chain = _ancestors(int(status.parent.name))
            if group in parent_chain:
                rollup = (status.parent / "smaps_rollup").read_text()
                total += 1024 * int(rollup.partition("\nPss:")[2].split()[0])
        except (OSError, ValueError, IndexError):
            continue
    return total


def _ancestors(process: int) -> set[int]:
    chain = {process}
    while process > 1:
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        chain.add(process)
    return chain


def show(name: str, measured: Measured, *references: tuple[str, Measured]) -> None:
    """Print a line: a figure, and its ratio to references."""
    ratios = "".join(f", {measured.rate / other.rate:.1f} times {label}" for label, other in references if other.rate)
    print(f"{name:<44}{measured}{ratios}", flush=True)


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="duration of each measurement")
    parser.add_argument("--soak", type=int, default=0, metavar="RUNS", help="runs of the endurance test (0: none)")
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        python, gateway_python = environments(folder)
        write_notebooks(folder / "root")
        kernels = folder / "jupyter/kernels/python3"
        kernels.mkdir(parents=True)
        argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (kernels / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "p", "language": "python"}))
        measure(folder, gateway_python, options)


def measure(folder: Path, gateway_python: Path, options: argparse.Namespace) -> None:
    """Measure the peers, then packmill's ways."""
    root, seconds = folder / "root", options.seconds
    port = free_port()
    ask: Ask = lambda number: request("POST", "/", "{}")  # noqa: E731
    with running([sys.executable, "-c", _NULL_SERVER, str(port)], port, ask):
        show("client alone, 8 clients", asyncio.run(load(port, ask, clients=8, seconds=2)))

    port = free_port()
    ask = lambda number: request("POST", "/", json.dumps({"notebook": "papermill.ipynb", "parameters": {"x": number}}))  # noqa: E731
    with running([sys.executable, "-c", _PAPERMILL_SERVER, str(port), str(root)], port, ask):
        papermill = asyncio.run(load(port, ask, clients=2, seconds=max(seconds, 10)))
        show("papermill per request, 2 workers", papermill)

    port = free_port()
    ask = lambda number: request("GET", f"/run?x={number}")  # noqa: E731
    command = [str(gateway_python), "-m", "kernel_gateway", "--KernelGatewayApp.api=kernel_gateway.notebook_http"]
    command += [f"--KernelGatewayApp.seed_uri={root / 'gateway.ipynb'}", f"--KernelGatewayApp.port={port}"]
    command += ["--KernelGatewayApp.prespawn_count=2", "--KernelGatewayApp.ip=127.0.0.1"]
    with running(command, port, ask):
        gateway = asyncio.run(load(port, ask, clients=4, seconds=seconds))
        show("kernel gateway, prespawn 2, shared state", gateway)

    references = (("papermill", papermill), ("the gateway", gateway))
    port = free_port()
    path = {"JUPYTER_PATH": str(folder / "jupyter"), "PYTHONPATH": str(_HERE)}
    with running(serve_command(root, folder / "data", port), port, ours("trivial.ipynb", "cold"), **path) as server:
        for way in ("direct", "kernel"):
            for name in ("trivial", "science"):
                ask = ours(f"{name}.ipynb", way)
                asyncio.run(load(port, ask, clients=2, seconds=60, most=20))  # each worker prepares its processes
                show(f"{way}, {name}, 4 clients", asyncio.run(load(port, ask, clients=4, seconds=seconds)), *references)
                paced = asyncio.run(load(port, ask, clients=1, seconds=seconds, pause=0.1))
                print(f"{f'{way}, {name}, paced':<44}p50 {paced.percentile(0.5):.1f} ms", flush=True)
        crowd = asyncio.run(load(port, ours("trivial.ipynb", "direct"), clients=64, seconds=seconds))
        show("direct, trivial, 64 clients", crowd)
        if options.soak:
            soak(port, server, options.soak)


def soak(port: int, server: int, runs: int) -> None:
    """Print what a number of runs leaves behind: memory, processes, open files."""
    before = _state(server)
    ask = ours("trivial.ipynb", "direct")
    done = asyncio.run(load(port, ask, clients=4, seconds=24 * 3600, most=runs))
    show(f"{runs} runs", done)
    for name, earlier, later in zip(("memory in MB", "processes", "open files"), before, _state(server), strict=True):
        print(f"    {name}: {earlier} before, {later} after")


def _state(server: int) -> tuple[int, int, int]:
    processes = [int(one.name) for one in Path("/proc").glob("[0-9]*")]
    own = []
    for process in processes:
        try:
            if server in _ancestors(process):
                own.append(process)
        except (OSError, ValueError):
            continue
    files = sum(len(list(Path(f"/proc/{process}/fd").iterdir())) for process in own)
    return memory_of(server) // 1_000_000, len(own), files


if __name__ == "__main__":
    sys.exit(main())
