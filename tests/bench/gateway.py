"""``packmill-runner gateway`` beside the Jupyter Kernel Gateway: interleaved measurements, and their ratios.

    .venv/bin/python tests/bench/gateway.py [--seconds 5] [--rounds 3] [--gateway PYTHON]

All servers run at the same time and are asked in turns, so that a busy machine slows each of them. PYTHON is that of an
environment with jupyter_kernel_gateway; without it, one is made.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from http_client import Measured, load, request, running
from ports import free_port
from serving import environments
from support import write_notebook

_HERE = Path(__file__).parents[2]
_HANDLER = "# GET /run\nprint(json.loads(REQUEST)['args'].get('x', ['0'])[0])"
_CLIENTS = 8
_OURS = {
    "--shared-kernel": ("--shared-kernel",),
    "fresh state": (),
    "--no-fork": ("--no-fork",),
}


def ask(number: int) -> bytes:
    """A request that prints its argument."""
    return request("GET", f"/run?x={number}")


def theirs(python: str, notebook: Path, port: int) -> list[str]:
    """Start the Jupyter Kernel Gateway with one kernel, its default."""
    command = [python, "-m", "kernel_gateway", "--KernelGatewayApp.api=kernel_gateway.notebook_http"]
    return [*command, f"--KernelGatewayApp.seed_uri={notebook}", f"--KernelGatewayApp.port={port}"]


def ours(notebook: Path, port: int, *options: str) -> list[str]:
    """Start ``packmill-runner gateway``."""
    return [sys.executable, "-m", "generator.runner", "gateway", str(notebook), "--port", str(port), *options]


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="duration of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each server")
    parser.add_argument("--gateway", metavar="PYTHON", help="an environment with jupyter_kernel_gateway")
    options = parser.parse_args()
    with TemporaryDirectory() as name, ExitStack() as stack:
        python = options.gateway or str(environments(Path(name))[1])
        plain = write_notebook(Path(name, "plain.ipynb"), "import json", _HANDLER, tags=())
        commands = {"the Kernel Gateway": (theirs(python, plain, port := free_port()), port)}
        for label, words in _OURS.items():
            commands[label] = (ours(plain, port := free_port(), *words), port)
        for command, port in commands.values():
            stack.enter_context(running(command, port, ask, PYTHONPATH=str(_HERE)))
        measure({label: port for label, (_, port) in commands.items()}, options)


def measure(ports: dict[str, int], options: argparse.Namespace) -> None:
    """Ask the servers in turns, and print the medians of the ratios within each round."""
    rounds = [_ask_all(ports, options.seconds) for _ in range(options.rounds)]
    first = next(iter(ports))
    for label in ports:
        faster = statistics.median(one[label].rate / one[first].rate for one in rounds)
        p50 = statistics.median(one[label].percentile(0.5) / one[first].percentile(0.5) for one in rounds)
        print(f"{label:<30}{rounds[-1][label]}, {faster:.2f} times the requests, {p50:.2f} times the p50", flush=True)


def _ask_all(ports: dict[str, int], seconds: float) -> dict[str, Measured]:
    return {label: asyncio.run(load(port, ask, clients=_CLIENTS, seconds=seconds)) for label, port in ports.items()}


if __name__ == "__main__":
    main()
