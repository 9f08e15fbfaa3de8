"""Staging's figures: one big file beside curl and aws s3 cp, many small ones beside a loop, and memory.

    make bench

Servers run in processes of their own on loopback; each pair runs in turn, A B A B, and the median ratio counts.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from ports import free_port
from staging_servers import S3, s3_server, wait_for

_SMALL, _FILES = 20_000, 500
_LOOP = """import sys, pathlib, requests
base, number, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
folder.mkdir(parents=True)
for index in range(number):
    answer = requests.get(f"{base}/{index}.bin", stream=True)
    with open(folder / f"{index}.bin", "wb") as file:
        for block in answer.iter_content(8192):
            file.write(block)"""
_PEAK = """import re, sys
from generator.runner.cli import main
code = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
sys.exit(code)"""


async def serve_small(port: int, delay: float) -> None:
    """Files of 20 kB, each after a moment, as over a network."""
    body = os.urandom(_SMALL)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {_SMALL}\r\nContent-Type: application/octet-stream\r\n\r\n".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(delay)
                writer.write(head + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    await server.serve_forever()


@contextmanager
def server(*command: str, port: int) -> Iterator[None]:
    """A server, until its answers are no longer needed."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(port, process, command[0])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def seconds(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> float:
    """Wall time of a command that fills ``folder``, which is removed first."""
    shutil.rmtree(folder, ignore_errors=True)
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **(environment or {})})
    return time.perf_counter() - began


def paired(
    name: str, measured: tuple[list[str], Path], reference: tuple[list[str], Path], runs: int, **more: object
) -> None:
    """Prints how many times as quick a command is as its reference."""
    environment = more.get("environment")
    pairs = []
    for _ in range(runs + 1):
        ours = seconds(*measured, environment)  # type: ignore[arg-type]
        pairs.append((ours, seconds(*reference, environment)))  # type: ignore[arg-type]
    ratios = [theirs / ours for ours, theirs in pairs[1:]]
    ours, theirs = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
    print(f"{name}: {ours:.2f} s, reference {theirs:.2f} s, {statistics.median(ratios):.2f} times as quick", flush=True)


def main() -> None:
    runner = [sys.executable, "-m", "generator.runner"]
    with TemporaryDirectory() as temporary:
        top = Path(temporary)
        big_file(top, runner)
        many_files(top, runner)


def big_file(top: Path, runner: list[str]) -> None:
    """2 GB over HTTP beside curl, 200 MB over S3 beside aws s3 cp; and the memory of both."""
    files = top / "files" / "data"
    files.mkdir(parents=True)
    with (files / "big.bin").open("wb") as file:
        for _ in range(2048):
            file.write(os.urandom(1024**2))
    port, out = free_port(), top / "out"
    rclone = shutil.which("rclone") or "rclone"
    address = f"127.0.0.1:{port}"
    with server(rclone, "serve", "http", "--addr", address, "--config", "/dev/null", str(files), port=port):
        url = f"http://{address}/big.bin"
        curl = (["curl", "-sf", "--create-dirs", "-o", str(out / "curl" / "big.bin"), url], out / "curl")
        paired("2 GB by HTTP, curl", ([*runner, "stage-in", url, "--output", str(out / "ours")], out / "ours"), curl, 5)
        print(f"  peak memory {peak('stage-in', url, '--output', str(out / 'ours')):.0f} MB")
    shutil.rmtree(out)
    # rclone reads a whole object for the ETag of every answer, and aws s3 cp asks for many parts: a smaller file
    with (files / "big.bin").open("r+b") as file:
        file.truncate(200 * 1024**2)
    with s3_server(top / "files") as store:
        s3_figures(store, runner, out)


def s3_figures(store: S3, runner: list[str], out: Path) -> None:
    keys = {
        "AWS_ACCESS_KEY_ID": store.key,
        "AWS_SECRET_ACCESS_KEY": store.secret,
        "AWS_ENDPOINT_URL_S3": store.url,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    url, aws = "s3://data/big.bin", shutil.which("aws")
    ours = ([*runner, "stage-in", url, "--output", str(out / "ours")], out / "ours")
    if aws:
        theirs = ([aws, "s3", "cp", "--only-show-errors", url, str(out / "aws" / "big.bin")], out / "aws")
        paired("200 MB by S3, aws s3 cp", ours, theirs, 3, environment=keys)
    os.environ.update(keys)
    print(f"  peak memory, in: {peak('stage-in', url, '--output', str(out / 'ours')):.0f} MB")
    print(f"  peak memory, out: {peak('stage-out', str(out / 'ours'), 's3://data/copy'):.0f} MB")


def peak(*words: str) -> float:
    """Peak memory of the runner in MB."""
    done = subprocess.run([sys.executable, "-c", _PEAK, *words], check=True, capture_output=True, text=True)
    return int(re.findall(r"\d+", done.stdout)[-1]) / 1024


def many_files(top: Path, runner: list[str]) -> None:
    """500 files of 20 kB beside a loop of requests, as the original system fetches: at once, and 10 and 50 ms away."""
    for delay in (0.0, 0.01, 0.05):
        port, out = free_port(), top / "small"
        with server(sys.executable, __file__, "serve", str(port), str(delay), port=port):
            base = f"http://127.0.0.1:{port}"
            urls = [f"{base}/{index}.bin" for index in range(_FILES)]
            ours = ([*runner, "stage-in", *urls, "--output", str(out / "ours")], out / "ours")
            theirs = ([sys.executable, "-c", _LOOP, base, str(_FILES), str(out / "loop")], out / "loop")
            paired(f"{_FILES} files of 20 kB, each answered after {delay * 1000:.0f} ms", ours, theirs, 3)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve_small(int(sys.argv[2]), float(sys.argv[3])))
    else:
        main()
