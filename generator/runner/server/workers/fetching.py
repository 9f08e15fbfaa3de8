"""Fetch the files that the values of a run name by address, before the run: stage-in, as a process of its own.

The process reaches only public addresses and those that the operator allows (``stage-in --guard``), has none of the
server's credentials, and is ended when the run is dismissed, takes too long, or fetches too much, and with its worker.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import generator
from generator.runner.server.runs.folder import RunFolder
from generator.shared import contract
from generator.shared.failures import BadInputsError, RunFailedError, RunTimeLimitError, StagingError
from generator.shared.removal import remove_tree

_POLL = 0.2
_LONGEST = 3600.0
"""Seconds for the files of one input, unless the run has a lower limit."""
_MOST_FILES = 1000
_PASSED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchRules:
    """What may be fetched: hosts and networks besides public ones, bytes in all, seconds for each input."""

    allowed: tuple[str, ...] = ()
    largest: int = 1024**3
    time_limit: float | None = None


def fetch_files(
    folder: RunFolder, rules: FetchRules, *, say: Callable[[str], None], on_wait: Callable[[], None]
) -> None:
    """Fetch the files at the addresses in a run's input object, and name them there in place of the addresses.

    Args:
        folder: the run's folder.
        rules: what may be fetched.
        say: takes the lines that stage-in reports.
        on_wait: is called several times a second, and raises an exception to end the transfer.

    Raises:
        StagingError, BadInputsError, RunTimeLimitError: a file cannot be fetched; the message names its address.
    """
    inputs = json.loads(folder.inputs_file.read_bytes())
    left = rules.largest
    for number, (name, value) in enumerate(inputs.items()):
        remote = list(remote_files(value))
        if not remote:
            continue
        if len(remote) > _MOST_FILES:
            raise BadInputsError(f"{name}: {len(remote)} addresses; the limit is {_MOST_FILES}")
        step = _Step(name=name, folder=folder.uploads / f"fetched-{number}", largest=left)
        for file, fetched in zip(remote, step.run(remote, rules, say, on_wait), strict=True):
            file.clear()
            file.update(fetched)
        left -= _size(step.folder)
        folder.write_inputs(inputs)


def remote_files(value: Any) -> Iterator[dict[str, Any]]:
    """Return the CWL File objects in a value that name an address."""
    if isinstance(value, list):
        for item in value:
            yield from remote_files(item)
    elif isinstance(value, dict):
        if value.get("class") == "File" and str(value.get("location", "")).startswith(("http://", "https://")):
            yield value
            return
        for item in value.values():
            yield from remote_files(item)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Step:
    """The transfer of the files of one input to a folder."""

    name: str
    folder: Path
    largest: int

    def run(
        self,
        remote: list[dict[str, Any]],
        rules: FetchRules,
        say: Callable[[str], None],
        on_wait: Callable[[], None],
    ) -> list[dict[str, Any]]:
        """Fetch the files, and return their CWL File objects with absolute paths."""
        remove_tree(self.folder)  # of a worker that was killed while it fetched
        self.folder.mkdir(parents=True, mode=0o700)
        request = {"name": self.name, "input_path": [{"url": file["location"]} for file in remote], "as_type": "File[]"}
        inputs = self.folder / "stage_in.json"
        inputs.write_text(json.dumps(request), encoding="utf-8")
        inputs.chmod(0o600)
        log = self.folder / "log.txt"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                _command(inputs, rules),
                cwd=self.folder,
                env=_environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                preexec_fn=partial(_end_with_worker, os.getpid()),  # noqa: PLW1509 - calls the C library alone
            )
        try:
            self._wait(process, rules, on_wait)
        finally:
            process.kill()
            code = process.wait()
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in lines:
            say(line)
        if code != 0:
            _fail(self.name, code, lines)
        return self._files()

    def _wait(self, process: subprocess.Popen[bytes], rules: FetchRules, on_wait: Callable[[], None]) -> None:
        """Wait for the end of the process.

        Raises:
            StagingError: the files are too large.
            RunTimeLimitError: the transfer takes too long.
        """
        limit = min(_LONGEST, rules.time_limit or _LONGEST)
        end = time.monotonic() + limit
        running = True
        while running:
            try:
                process.wait(_POLL)
                running = False
            except subprocess.TimeoutExpired:
                on_wait()
            if _size(self.folder) > self.largest:
                raise StagingError(f"{self.name}: the files are larger than this server takes")
            if running and time.monotonic() > end:
                raise RunTimeLimitError(f"{self.name}: the files could not be fetched within {limit:g} seconds")

    def _files(self) -> list[dict[str, Any]]:
        document = json.loads((self.folder / contract.output_object_file).read_bytes())
        return [{**file, "path": str(self.folder / file["path"])} for file in document["output_files"]]


def _end_with_worker(worker: int) -> None:
    """Let the process end with its worker, which alone knows its limits (prctl(2))."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != worker:
        os._exit(1)


def _command(inputs: Path, rules: FetchRules) -> tuple[str, ...]:
    isolation = [f"-{name}" for name, flag in (("I", sys.flags.isolated), ("B", sys.flags.dont_write_bytecode)) if flag]
    allowed = [word for one in rules.allowed for word in ("--allow", one)]
    options = ["stage-in", contract.inputs_option, inputs.name, "--guard", *allowed]
    return (sys.executable, *isolation, "-m", "generator.runner", *options)


def _environment(home: Path) -> dict[str, str]:
    """Return the variables of the process: none with credentials, and no home folder with files of credentials."""
    names = (*_PASSED, *_PROXIES, *map(str.upper, _PROXIES))
    package = Path(generator.__file__).parents[1]
    return {
        **{name: os.environ[name] for name in names if name in os.environ},
        "HOME": str(home),
        "NETRC": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONPATH": str(package),
    }


def _fail(name: str, code: int, lines: list[str]) -> None:
    """Raise the failure of stage-in, whose last lines say why."""
    reason = next((line for line in reversed(lines) if line.strip()), f"stage-in ended with code {code}")
    kind: type[RunFailedError] = BadInputsError if code == BadInputsError.exit_code else StagingError
    raise kind(f"{name}: {reason.removeprefix('packmill-runner: ')}")


def _size(folder: Path) -> int:
    """Return the bytes of the files below a folder, some of which may just be renamed."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                continue
    return total
