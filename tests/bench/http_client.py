"""A client of HTTP servers on this machine: asyncio, connections that are kept, and the times of its answers."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path


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
def running(
    command: list[str], port: int, ask: Ask, *, log: Path = Path(os.devnull), **environment: str
) -> Iterator[int]:
    """A server's process, from its first successful answer on; its process id."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **environment}, start_new_session=True
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


def serve_command(root: Path, data: Path, port: int, *options: str) -> list[str]:
    """Start ``packmill-runner serve``."""
    command = [sys.executable, "-m", "generator.runner", "serve", "--root", str(root), "--data", str(data)]
    return [*command, "--port", str(port), *options]
