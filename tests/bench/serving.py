"""Notebooks over HTTP, beside papermill for each request and the kernel gateway's shared kernels; prints ratios.

    .venv/bin/python tests/bench/serving.py [--seconds 10]
    .venv/bin/python tests/bench/serving.py --soak 20000

Servers are started one after another, asked by the same client from a process of its own. A server that answers without
doing anything shows what the client itself can do. ``--soak`` runs the endurance test instead (`endurance`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from endurance import endure
from http_client import Ask, Measured, load, request, running, serve_command
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


def bare_fork(python: Path, *modules: str) -> float:
    """Runs a second of children that do nothing but run cells: how fast this machine is."""
    imports = (word for module in modules for word in ("--import", module))
    words = [str(python), str(Path(__file__).with_name("bare_fork.py")), *imports]
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def show(name: str, measured: Measured, *references: tuple[str, float]) -> None:
    """Print a line: a figure, and its ratio to the rates of references."""
    ratios = "".join(f", {measured.rate / rate:.2g} times {label}" for label, rate in references if rate)
    print(f"{name:<44}{measured}{ratios}", flush=True)


def main() -> int:
    """Run everything, and return the exit code: 1 if the endurance test found growth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="duration of each measurement")
    parser.add_argument("--soak", type=int, metavar="RUNS", help="do this many runs, and judge what they leave behind")
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        if options.soak:
            return endure(folder, options.soak)
        python, gateway_python = environments(folder)
        write_notebooks(folder / "root")
        kernels = folder / "jupyter/kernels/python3"
        kernels.mkdir(parents=True)
        argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (kernels / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "p", "language": "python"}))
        measure(folder, python, gateway_python, options)
    return 0


def measure(folder: Path, python: Path, gateway_python: Path, options: argparse.Namespace) -> None:
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

    floors = {"trivial": bare_fork(python), "science": bare_fork(python, *_SCIENCE)}
    for name, floor in floors.items():
        print(f"{f'bare fork, {name}, 2 prepared processes':<44}{floor:7.1f}/s", flush=True)

    references = (("papermill", papermill.rate), ("the gateway", gateway.rate))
    port = free_port()
    path = {"JUPYTER_PATH": str(folder / "jupyter"), "PYTHONPATH": str(_HERE)}
    with running(serve_command(root, folder / "data", port), port, ours("trivial.ipynb", "cold"), **path):
        for way in ("direct", "kernel"):
            for name in ("trivial", "science"):
                ask = ours(f"{name}.ipynb", way)
                asyncio.run(load(port, ask, clients=2, seconds=60, most=20))  # each worker prepares its processes
                measured = asyncio.run(load(port, ask, clients=4, seconds=seconds))
                show(f"{way}, {name}, 4 clients", measured, *references, ("a bare fork", floors[name]))
                paced = asyncio.run(load(port, ask, clients=1, seconds=seconds, pause=0.1))
                print(f"{f'{way}, {name}, paced':<44}p50 {paced.percentile(0.5):.1f} ms", flush=True)
        crowd = asyncio.run(load(port, ours("trivial.ipynb", "direct"), clients=64, seconds=seconds))
        show("direct, trivial, 64 clients", crowd)


if __name__ == "__main__":
    sys.exit(main())
