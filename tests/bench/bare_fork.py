"""The floor of the figures: how many notebooks a second children of a prepared process run that do nothing else.

    python tests/bench/bare_fork.py [--import MODULE]... [--runs N]

Two prepared processes hold an IPython shell and the imports. Each forks a child for every run; the child runs two cells
in the shell, and answers with the notebook in JSON. There is no HTTP, no check, no file, no limit and no record of the
run. It shows how fast a machine forks and runs IPython, so that rates of different machines can be compared. Needs
IPython alone, and runs in the environment whose packages it imports.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

_WORKERS = 2
_CELLS = ("x = 1", "print(x * 2)")


def prepare(modules: list[str]) -> object:
    """Import what the notebook imports, and return a shell that has run a cell."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    for module in modules:
        __import__(module)
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    shell.run_cell("1;", silent=True)
    return shell


def run_cells(shell: object, x: int, modules: list[str]) -> bytes:
    """Run the cells; return the executed notebook."""
    from IPython.utils.capture import capture_output

    cells = []
    for source in (*_CELLS[:1], f"x = {x}", *(f"import {name}" for name in modules), *_CELLS[1:]):
        with capture_output() as captured:
            result = shell.run_cell(source, store_history=True)  # type: ignore[attr-defined]
        assert result.success
        outputs = [{"output_type": "stream", "name": "stdout", "text": captured.stdout}] if captured.stdout else []
        cells.append({"cell_type": "code", "source": source, "metadata": {}, "outputs": outputs})
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def serve(asked: socket.socket, modules: list[str]) -> None:
    """In a prepared process: fork a child for each request, which is the pipe of the answer and a number."""
    shell = prepare(modules)
    asked.send(b"ready")
    while True:
        message, pipes, _, _ = socket.recv_fds(asked, 64, 1)
        if not message:
            return
        child = os.fork()
        if not child:
            with os.fdopen(pipes[0], "wb") as answer:
                answer.write(run_cells(shell, int(message), modules))
            os._exit(0)
        os.close(pipes[0])
        os.waitpid(child, 0)


def start(modules: list[str]) -> socket.socket:
    """Start a prepared process; return its socket once it is ready."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if not os.fork():
        here.close()
        try:
            serve(there, modules)
        finally:
            os._exit(0)
    there.close()
    if here.recv(64) != b"ready":
        sys.exit("a prepared process did not start")
    return here


def ask(prepared: socket.socket, runs: int) -> None:
    """Have runs done, one after another."""
    for number in range(runs):
        reader, writer = os.pipe()
        socket.send_fds(prepared, [str(number).encode()], [writer])
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            notebook = json.loads(answer.read())
        assert notebook["cells"][-1]["outputs"][0]["text"] == f"{number * 2}\n"


def rate(modules: list[str], runs: int) -> float:
    """Return runs per second of both prepared processes together, after some runs that do not count."""
    prepared = [start(modules) for _ in range(_WORKERS)]
    with ThreadPoolExecutor(_WORKERS) as threads:
        list(threads.map(ask, prepared, [20] * _WORKERS))
        began = time.perf_counter()
        list(threads.map(ask, prepared, [runs // _WORKERS] * _WORKERS))
    for one in prepared:
        one.close()
    return runs / (time.perf_counter() - began)


def main() -> None:
    """Print the rate alone, for programs that read it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--import", action="append", default=[], dest="modules", metavar="MODULE")
    parser.add_argument("--runs", type=int, default=400)
    options = parser.parse_args()
    print(f"{rate(options.modules, options.runs):.1f}")


if __name__ == "__main__":
    main()
