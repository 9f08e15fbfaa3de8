#!/usr/bin/env python3
"""Start and follow packmill pipelines on GitLab or on ``packmill serve``, which has the same API.

As a command: ``python query.py --help``. As a module: `Client`. It needs only ``requests``.

Address, project and tokens come from options, from the environment, or from a file that only you can read. Set tokens
in the environment or the file, because others can read command lines.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import getpass
import hashlib
import io
import json
import lzma
import os
import re
import shlex
import stat
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO
from urllib.parse import quote, urljoin

import requests

_END_OF_LOG = 1 << 16
_LARGEST = 256 << 20
"""Bytes of an answer that is kept in memory: a log, or JSON."""
_MOST_PAGES = 1000
"""Pages of a list, of 100 items each."""
_SHORTEST_WAIT = 0.5
"""Seconds before a request is repeated, also if a service asks for none."""
_PAUSES = (1.0, 5.0)
"""Seconds before each new attempt at a download."""
_ABANDONED = 24 * 3600
"""Seconds; a download of the slowest server writes more often."""
_TIMESTAMP = r"(?:\d{4}-\d\d-\d\dT[\d:.]+Z \d\d[OE][+ ]?)?"
"""What GitLab's runner may write in front of a line."""
_FAILED_STAGE = re.compile(rf"^{_TIMESTAMP}packmill: (.+ \(exit code \d+(?:: [^()\n]*)?\))$", re.MULTILINE)
"""The last line of a stage that failed."""
_EXIT_CODE = re.compile(rf"^{_TIMESTAMP}ERROR: Job failed: exit (?:code|status) (\d+)$", re.MULTILINE)
"""The runner's line about a script that failed."""
_FAILED_JOB = re.compile(rf"^{_TIMESTAMP}ERROR: Job failed(?: \(system failure\))?: (.+)$", re.MULTILINE)
"""The runner's line about a job that ended in another way."""
_CODE_OF_REASON = re.compile(r"\(exit code (\d+)(?:: [^()\n]*)?\)$")
"""The exit code at the end of a reason."""
_MAP_PROGRESS = re.compile(rf"^{_TIMESTAMP} {{4}}(\d+ of \d+ rows done.*|row \d+ failed: .*)$")
"""A line of a map's log: its counts, or a row that failed."""
_TABLES = "packmill-tables"
"""The generic package with the tables of maps."""
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, RuntimeError, ValueError, LookupError, EOFError)
"""What Python's zipfile raises for an archive that is damaged, encrypted, or has names that no file can have."""
_KINDS: Mapping[str, tuple[type, ...]] = {
    "name": (str, type(None)),
    "duration": (int, float, type(None)),
    "failure_reason": (str, type(None)),
    "artifacts_file": (dict, type(None)),
}
"""Fields of a job that are used here."""
FINISHED = ("success", "failed", "canceled", "skipped", "manual")
SCOPES = "created pending running success failed canceling canceled skipped manual".split()
_LOOK_FIRST = "the service may have received the request; before you repeat it, look with: query.py status"
_SETTINGS = {
    "url": ("PACKMILL_CI_URL", "http://127.0.0.1:8080", "address of GitLab or packmill serve"),
    "project": ("PACKMILL_CI_PROJECT", "1", "number or path (owner/name) of the project"),
    "ref": ("PACKMILL_CI_REF", "main", "branch or tag of the project whose pipeline runs"),
    "trigger_token": ("PACKMILL_CI_TRIGGER_TOKEN", "", "token that starts pipelines"),
    "access_token": ("PACKMILL_CI_ACCESS_TOKEN", "", "token that reads, cancels and retries"),
}


class QueryError(Exception):
    """A request failed; the message explains what to do."""


class NotFoundError(QueryError):
    """The service has nothing at an address."""


class Client:
    """The trigger API of a project (https://docs.gitlab.com/api/pipelines/).

    ``project`` is a number or ``owner/name``. Methods return the JSON objects of the API.
    """

    def __init__(
        self,
        url: str,
        project: str | int = 1,
        *,
        trigger_token: str = "",
        access_token: str = "",
        patience: float = 120.0,
    ) -> None:
        """Connect to a project; retry for ``patience`` seconds when a service that has answered before does not."""
        self._root = f"{url.rstrip('/')}/api/v4/projects/{quote(str(project), safe='')}"
        self._trigger_token, self._access_token = trigger_token, access_token
        self._patience, self._answered = patience, False
        self._session = requests.Session()
        self.is_unsure = False
        """Whether a request that starts something was sent, and its answer has not arrived."""

    def trigger(self, variables: Mapping[str, str], *, ref: str = "main") -> dict[str, Any]:
        """Start a pipeline with variables and return it; never retried, since that could start a second one.

        Raises:
            QueryError: the trigger token is missing, or the service refuses the request or cannot be reached.
        """
        if not self._trigger_token:
            raise QueryError("trigger token missing; set PACKMILL_CI_TRIGGER_TOKEN or run: query.py configure")
        form = {f"variables[{name}]": value for name, value in variables.items()}
        form |= {"token": self._trigger_token, "ref": ref}
        return _checked_pipeline(self._ask("POST", "/trigger/pipeline", data=form, tries=1))

    def pipeline(self, number: int) -> dict[str, Any]:
        """Return a pipeline."""
        return self._pipeline("GET", f"/pipelines/{number}")

    def latest(self, ref: str) -> dict[str, Any]:
        """Return the latest pipeline of a ref."""
        return self._pipeline("GET", f"/pipelines/latest?ref={quote(ref, safe='')}")

    def jobs(self, number: int | None = None, *, scopes: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return the jobs of a pipeline in order, or without a number the latest jobs of the project."""
        query = [("scope[]", scope) for scope in scopes]
        path = "/jobs" if number is None else f"/pipelines/{number}/jobs"
        found: list[dict[str, Any]] = []
        for page in range(1, _MOST_PAGES + 1):
            answer = self._ask("GET", path, params=[*query, ("per_page", "100"), ("page", str(page))])
            found += [_checked_job(job, answer) for job in _json(answer, list)]
            if number is None or answer.headers.get("X-Next-Page", "") != str(page + 1):
                break
        return sorted(found, key=lambda job: int(job["id"])) if number is not None else found

    def reasons_not_run(self, number: int) -> list[str]:
        """Return what a pipeline's checks did not run, and why, from the skipped cases of its test report."""
        suites = _objects(self._object("GET", f"/pipelines/{number}/test_report"), "test_suites")
        cases = [case for suite in suites for case in _objects(suite, "test_cases") if case.get("status") == "skipped"]
        return [f"{case.get('classname')}: {_reason_of(case)}" for case in cases]

    def job(self, number: int) -> dict[str, Any]:
        """Return a job."""
        answer = self._ask("GET", f"/jobs/{number}")
        return _checked_job(_json(answer, dict), answer)

    def log(self, job: int, *, start: int = 0) -> bytes:
        """Return a job's log from a byte offset."""
        answer = self._ask("GET", f"/jobs/{job}/trace", headers={"Range": f"bytes={start}-"}, accept=(200, 206, 416))
        if answer.status_code == 416:
            return b""
        return answer.content if answer.status_code == 206 else answer.content[start:]

    def failure(self, job: Mapping[str, Any]) -> str:
        """Return why a job failed, in one sentence, from the end of its log; empty if the log does not report it."""
        return self.explain(job)["reason"] if job["status"] == "failed" else ""

    def explain(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``reason`` and ``exit_code`` of a failed job, from its log.

        The reason is empty and the code is None if the log does not report them.
        """
        text = _plain(self.log(int(job["id"])))[-_END_OF_LOG:]
        if job.get("failure_reason") not in (None, "script_failure"):
            ended = _FAILED_JOB.findall(text)
            return {"reason": str(ended[-1]) if ended else "", "exit_code": None}
        codes = [code for code in _EXIT_CODE.findall(text) if _is_exit_code(code)]
        reasons = _FAILED_STAGE.findall(text)
        code = int(codes[-1]) if codes else None
        reasons = [one for one in reasons if code is None or f"(exit code {code}" in one]
        return {"reason": str(reasons[-1]) if reasons else "", "exit_code": code}

    def follow(self, job: int, *, pause: float = 1.0) -> Iterator[bytes]:
        """Yield a job's log as it grows, until the job has finished."""
        start = 0
        while True:
            over = self.job(job)["status"] in FINISHED
            chunk = self.log(job, start=start)
            start += len(chunk)
            if chunk:
                yield chunk
            if over:
                return
            time.sleep(pause)

    def artifacts(self, job: int, folder: Path) -> list[Path]:
        """Unpack a job's artifacts into a folder; return the files."""
        with TemporaryDirectory(prefix="packmill-") as temporary:
            archive = Path(temporary, "artifacts.zip")
            self._download(job, "", archive)
            try:
                with zipfile.ZipFile(archive) as packed:
                    return _unpack(packed, folder)
            except _DAMAGED as error:
                raise QueryError(f"job {job}: cannot unpack the artifacts into {folder}: {error}") from None

    def artifact(self, job: int, path: str, folder: Path) -> Path:
        """Download one file of a job's artifacts into a folder.

        Raises:
            NotFoundError: the job has no such file.
            QueryError: it cannot be downloaded or written.
        """
        target = folder / path.rpartition("/")[2]
        self._download(job, f"/{quote(path)}", target)
        return target

    def _download(self, job: int, file: str, target: Path) -> None:
        """Download a job's archive or a file of it, again if the connection breaks; a half file never has its name."""
        part = target.with_name(f".packmill-{os.urandom(8).hex()}.part")  # of this download alone
        try:
            for pause in (*_PAUSES, None):
                try:
                    with self._artifacts(job, file) as answer:
                        target.parent.mkdir(parents=True, exist_ok=True)  # not for a job without the file
                        with part.open("wb") as opened:
                            _remove_abandoned(part)
                            _copy_body(answer, opened)
                    part.replace(target)
                    return
                except requests.RequestException as error:
                    if pause is None:
                        raise QueryError(f"job {job}: the download of artifacts broke off: {_reason(error)}") from None
                    time.sleep(pause)
        except OSError as error:
            raise QueryError(f"{target}: cannot be written: {error.strerror}") from None
        finally:
            with contextlib.suppress(OSError):
                part.unlink()

    def upload(self, file: Path) -> str:
        """Upload a table to the project's generic packages, unless it is there; return its NAME/VERSION/FILE.

        Raises:
            QueryError: the file cannot be read, or the service refuses it.
        """
        try:
            content = file.read_bytes()
        except OSError as error:
            raise QueryError(f"{file}: cannot be read: {error.strerror}") from None
        name = re.sub(r"[^A-Za-z0-9.+-]", "_", file.stem).lstrip("._+-") or "table"
        place = f"{_TABLES}/{hashlib.sha256(content).hexdigest()[:32]}/{name[:100]}{file.suffix.lower()}"
        path = f"/packages/generic/{place}"
        if self._ask("HEAD", path, accept=(200, 302, 307, 404)).status_code == 404:
            self._ask("PUT", path, data=content, headers={"PRIVATE-TOKEN": self._access_token})
        return place

    def _artifacts(self, job: int, file: str = "") -> requests.Response:
        """Request a job's archive or a file of it; GitLab may redirect to a host that must not get the token."""
        answer = self._ask("GET", f"/jobs/{job}/artifacts{file}", stream=True, accept=(200, 302, 307))
        if answer.status_code == 200:
            return answer
        if not answer.is_redirect:
            raise QueryError(_refusal(answer, f"the artifacts of job {job}"))
        try:
            redirected = requests.get(urljoin(answer.url, answer.headers["Location"]), stream=True, timeout=60)
        except ValueError as error:
            raise QueryError(f"job {job}: the artifacts have an invalid address: {_reason(error)}") from None
        if redirected.status_code != 200:
            raise QueryError(_refusal(redirected, f"the artifacts of job {job}"))
        return redirected

    def cancel(self, number: int) -> dict[str, Any]:
        """Cancel a pipeline."""
        return self._pipeline("POST", f"/pipelines/{number}/cancel")

    def retry(self, number: int) -> dict[str, Any]:
        """Retry the failed jobs of a pipeline."""
        return self._pipeline("POST", f"/pipelines/{number}/retry")

    def wait(
        self, number: int, *, tell: Callable[[dict[str, Any], list[dict[str, Any]]], None] = lambda *_: None
    ) -> dict[str, Any]:
        """Wait until a pipeline has finished and return it; call ``tell`` with it and its jobs at each poll."""
        pause, before = 0.5, ""
        while True:
            pipeline, jobs = self.pipeline(number), self.jobs(number)
            tell(pipeline, jobs)
            if pipeline["status"] in FINISHED:
                return pipeline
            now = " ".join(job["status"] for job in jobs)
            pause = 0.5 if now != before else min(pause * 1.5, 10.0)
            before = now
            time.sleep(pause)

    def _object(self, method: str, path: str) -> dict[str, Any]:
        found: dict[str, Any] = _json(self._ask(method, path), dict)
        return found

    def _pipeline(self, method: str, path: str) -> dict[str, Any]:
        return _checked_pipeline(self._ask(method, path, tries=None if method == "GET" else 1))

    def _ask(
        self, method: str, path: str, *, tries: int | None = None, accept: tuple[int, ...] = (200, 201), **given: Any
    ) -> requests.Response:
        """Send a request; retry while the service is unavailable or busy, if repeating it has no effect."""
        headers = {"PRIVATE-TOKEN": self._access_token} if self._access_token and "data" not in given else {}
        given["headers"] = {**headers, **given.get("headers", {})}
        deadline, pause = time.monotonic() + (self._patience if self._answered else min(self._patience, 5)), 0.5
        while True:
            self.is_unsure = tries == 1
            try:
                answer = self._session.request(
                    method, self._root + path, **{**given, "timeout": 60, "allow_redirects": False, "stream": True}
                )
                if not given.get("stream"):
                    _read_bounded(answer)
                self.is_unsure = False
            except (requests.RequestException, ValueError) as error:  # ValueError: an address that cannot be parsed
                is_wrong = isinstance(error, (requests.exceptions.SSLError, ValueError))
                self.is_unsure = tries == 1 and not is_wrong and not _is_unsent(error)
                if is_wrong or self.is_unsure or time.monotonic() > deadline:
                    advice = f"\n  {_LOOK_FIRST}" if self.is_unsure else ""
                    raise QueryError(f"{self._root}: no response from the service: {_reason(error)}{advice}") from None
                wait = pause
            else:
                if answer.status_code in accept:
                    self._answered = True
                    return answer
                wait = _retry_after(answer, pause)
                busy = answer.status_code == 429 or (answer.status_code >= 500 and tries != 1)
                if not busy or time.monotonic() + wait > deadline:
                    advice = f"\n  {_LOOK_FIRST}" if tries == 1 and answer.status_code >= 500 else ""
                    kind = NotFoundError if answer.status_code == 404 else QueryError
                    raise kind(_refusal(answer, self._root + path) + advice)
            time.sleep(wait)
            pause = min(pause * 2, 10.0)


def _read_bounded(answer: requests.Response) -> None:
    """Read the body of a response into memory, where ``answer.content`` finds it.

    Raises:
        QueryError: it is too large.
    """
    content = bytearray()
    for chunk in answer.iter_content(1 << 16):
        content += chunk
        if len(content) > _LARGEST:
            answer.close()
            raise QueryError(f"{answer.url}: the response has more than {_LARGEST >> 20} MiB")
    answer._content = bytes(content)  # noqa: SLF001 - where requests itself puts a body that it reads


def _remove_abandoned(part: Path) -> None:
    """Remove the parts next to a new one to which nothing was written for a day: their downloads were killed."""
    with contextlib.suppress(OSError):
        latest = part.stat().st_mtime - _ABANDONED  # by the clock of the file system
        for other in part.parent.glob(f".packmill-{'[0-9a-f]' * 16}.part"):
            with contextlib.suppress(OSError):
                if other.lstat().st_mtime < latest:
                    other.unlink()


def _copy_body(answer: requests.Response, file: BinaryIO) -> None:
    """Write the body of a response to a file.

    Raises:
        requests.RequestException: the connection ended before its end; not every version of urllib3 reports that.
    """
    file.writelines(answer.iter_content(1 << 20))
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and "Content-Encoding" not in answer.headers and file.tell() != int(length):
        raise requests.ConnectionError(f"{file.tell()} of {length} bytes arrived")


def _unpack(packed: zipfile.ZipFile, folder: Path) -> list[Path]:
    """Unpack an archive next to the folder, and give the files their names when all are complete."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".packmill-", dir=folder) as temporary:
        files = [Path(packed.extract(one, temporary)) for one in packed.infolist() if not one.is_dir()]
        files = list(dict.fromkeys(files))  # an archive may have a name twice
        names = [folder / file.relative_to(temporary) for file in files]
        for file, name in zip(files, names, strict=True):
            name.parent.mkdir(parents=True, exist_ok=True)
            file.replace(name)
    return names


def _json(answer: requests.Response, kind: type) -> Any:
    """Return the JSON of a response.

    Raises:
        QueryError: the response is not JSON of this kind, for example a sign-in page.
    """
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, kind):
        raise QueryError(_not_the_api(answer))
    return found


def _not_the_api(answer: requests.Response) -> str:
    return f"{answer.url}: not the API of GitLab or packmill serve; check the address"


def _checked_pipeline(answer: requests.Response) -> dict[str, Any]:
    """Return the pipeline of a response.

    Raises:
        QueryError: the response is not a pipeline with the fields that are used here.
    """
    found: dict[str, Any] = _json(answer, dict)
    if type(found["id"]) is not int or not isinstance(found.get("status", ""), str):
        raise QueryError(_not_the_api(answer))
    return found


def _checked_job(found: Any, answer: requests.Response) -> dict[str, Any]:
    """Return a job of a response.

    Raises:
        QueryError: it is not a job with the fields that are used here.
    """
    is_job = isinstance(found, dict) and type(found["id"]) is int and isinstance(found.get("status", ""), str)
    if not is_job or not all(isinstance(found.get(name), kinds) for name, kinds in _KINDS.items()):
        raise QueryError(_not_the_api(answer))
    return dict(found)


def _objects(document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects of a list in a document; none if it has no such list."""
    found = document.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _is_exit_code(digits: str) -> bool:
    """Return whether a number in a log can be the exit code of a failed program."""
    return len(digits) <= 3 and 0 < int(digits) < 256


def _reason_of(case: Mapping[str, Any]) -> str:
    """Return why a case of a test report was skipped; GitLab's output is a text, or an object with the message."""
    output = case.get("system_output")
    return str((output.get("message") if isinstance(output, dict) else output) or case.get("name"))


def _is_unsent(error: Exception) -> bool:
    """Return whether a request failed before it was sent."""
    return isinstance(error, requests.ConnectTimeout) or "NewConnectionError" in repr(error.args)


def _retry_after(answer: requests.Response, otherwise: float) -> float:
    value = answer.headers.get("Retry-After", "")
    if value.isdecimal():
        return max(float(value[:9]), _SHORTEST_WAIT)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), otherwise)
    except (TypeError, ValueError, OverflowError):
        return otherwise


def _reason(error: Exception) -> str:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return re.sub(r"^<?[\w.]+(\(.*\))?( object at \w+>)?: ", "", str(reason or error))


def _refusal(answer: requests.Response, url: str) -> str:
    try:
        _read_bounded(answer)
        message = answer.json()
        message = message.get("message") or message.get("error") if isinstance(message, dict) else message
    except (ValueError, RecursionError, requests.RequestException, QueryError):
        message = answer.reason
    base = message.get("base") if isinstance(message, dict) else None
    message = "; ".join(map(str, base)) if isinstance(base, list) else message
    advice = {
        401: "set PACKMILL_CI_ACCESS_TOKEN to a valid token or run: query.py configure",
        403: "the token does not allow this",
        404: "check the number, the project and the token",
        302: "this address redirects; use the final one",
    }.get(answer.status_code)
    return f"{url}: {answer.status_code}: {message}" + (f"\n  {advice}" if advice else "")


def settings_file() -> Path:
    """Return the file in which ``configure`` stores address and tokens."""
    top = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(os.environ.get("PACKMILL_CI_CONFIG") or f"{top}/packmill/query.json").expanduser()


def read_settings(options: Mapping[str, str | None], environment: Mapping[str, str]) -> dict[str, str]:
    """Return address, project, ref and tokens from options, else the environment, else the file, else defaults.

    Raises:
        QueryError: the file cannot be read or is invalid, or others can read it.
    """
    kept = _read_settings_file(settings_file())
    found = {}
    for name, (variable, usual, _) in _SETTINGS.items():
        found[name] = options.get(name) or environment.get(variable) or str(kept.get(name) or usual)
    return found


def _read_settings_file(file: Path) -> dict[str, Any]:
    try:
        with file.open(encoding="utf-8") as opened:
            if stat.S_IMODE(os.fstat(opened.fileno()).st_mode) & 0o077:
                raise QueryError(
                    f"{file}: contains tokens and others can read it; run: chmod 600 {shlex.quote(str(file))}"
                )
            kept = json.load(opened)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise QueryError(f"{file}: cannot be read: {error}") from None
    if not isinstance(kept, dict):
        raise QueryError(f"{file}: not a JSON object; run: query.py configure")
    return kept


class _LossyFile(io.FileIO):
    """A file in which what a full disk does not take is lost."""

    def write(self, data: Any) -> int:
        """Write bytes; return how many were written, or lost."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return memoryview(data).nbytes


def _survive_a_full_log() -> None:
    """Lose what is printed to stderr while the disk of that file is full; the exit code stays."""
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
        file = io.BufferedWriter(_LossyFile(sys.stderr.fileno(), "wb", closefd=False))
        sys.stderr = io.TextIOWrapper(file, sys.stderr.encoding, errors="backslashreplace", line_buffering=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 if the pipeline failed, 2 if the request or the output failed, 130 after Ctrl-C."""
    _survive_a_full_log()
    options = _parser().parse_args(arguments)
    watched: list[int] = []
    client: Client | None = None
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # logs have characters that the terminal's encoding may lack
    try:
        settings = read_settings({name: getattr(options, name, None) for name in _SETTINGS}, os.environ)
        client = Client(
            settings["url"],
            settings["project"],
            trigger_token=settings["trigger_token"],
            access_token=settings["access_token"],
        )
        options.watched = watched
        code: int = options.command(client, settings, options)
        sys.stdout.flush()
    except QueryError as error:
        print(f"query.py: {_safe(str(error))}", file=sys.stderr)
        return 2
    except KeyError as error:
        print(f"query.py: the service's response has no {_safe(str(error))}; check the address", file=sys.stderr)
        return 2
    except EOFError:
        print("query.py: the input has ended before all questions were answered; nothing is stored", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if client and client.is_unsure:
            print(f"\nquery.py: {_LOOK_FIRST}", file=sys.stderr)
        _tell_how_to_come_back(watched)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # such as a full disk, to which the output goes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would try again at its end
        with contextlib.suppress(OSError):
            print(f"query.py: {error.filename or 'the output'}: {error.strerror or error}", file=sys.stderr)
            _tell_how_to_come_back(watched)
        return 2
    return code


def _tell_how_to_come_back(watched: Sequence[int]) -> None:
    for number in watched:
        print(
            f"\nquery.py: pipeline {number} continues; follow it with: query.py status {number} --wait"
            f"\n          cancel it with: query.py cancel {number}",
            file=sys.stderr,
        )


def _trigger(client: Client, settings: Mapping[str, str], options: argparse.Namespace) -> int:
    named = ("repository", "checkout", "env", "registry", "destination", "deploy")
    variables = {name: value for name in named if (value := getattr(options, name))}
    if options.process:
        variables["process"] = "\n".join(options.process)
    for pair in options.variable:
        name, equals, value = pair.partition("=")
        if not equals or not re.fullmatch(r"\w+", name):
            raise QueryError(f"--variable {pair}: write NAME=VALUE")
        variables[name] = value
    pipeline = client.trigger(variables, ref=settings["ref"])
    options.watched.append(int(pipeline["id"]))
    if not options.wait:
        _print_pipeline(pipeline, [], as_json=options.json)
        return 0
    print(_safe(f"pipeline {pipeline['id']}: {pipeline['web_url']}"), file=sys.stderr)
    return _watch(client, int(pipeline["id"]), options)


def _status(client: Client, settings: Mapping[str, str], options: argparse.Namespace) -> int:
    number = options.pipeline or int(client.latest(settings["ref"])["id"])
    if options.wait:
        options.watched.append(number)
        return _watch(client, number, options)
    pipeline, jobs = client.pipeline(number), _explained(client, client.jobs(number), options)
    _print_pipeline(pipeline, jobs, as_json=options.json)
    _print_reasons(client, pipeline, jobs, options)
    return 1 if pipeline["status"] in ("failed", "canceled") else 0


def _watch(client: Client, number: int, options: argparse.Namespace) -> int:
    progress = _Progress()
    try:
        pipeline = client.wait(number, tell=progress.show)
    finally:
        progress.end()
    jobs = _explained(client, client.jobs(number), options)
    _print_pipeline(pipeline, jobs, as_json=options.json)
    _print_reasons(client, pipeline, jobs, options)
    failed = [job for job in jobs if _is_failure(job)]
    if failed and not options.json:
        with contextlib.suppress(QueryError):
            name, number = failed[0]["name"], int(failed[0]["id"])
            if not failed[0].get("reason"):
                print(f"last lines of {name}:", file=sys.stderr)
                print("\n".join(_plain(client.log(number)).splitlines()[-12:]), file=sys.stderr)
            print(f"full log of {name}: query.py log {number}", file=sys.stderr)
    return 0 if pipeline["status"] == "success" else 1


def _explained(client: Client, jobs: Iterable[dict[str, Any]], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Add ``reason`` and ``exit_code`` to the jobs that failed; an allowed failure is explained in JSON alone."""
    found = []
    for job in jobs:
        wanted = job["status"] == "failed" and (options.json or _is_failure(job))
        explained: dict[str, Any] = {}
        if wanted:
            with contextlib.suppress(QueryError):
                explained = client.explain(job)
            explained = explained or {"reason": "", "exit_code": None}
            if options.json:
                explained["reason"] = _sentence({**job, **explained})
        found.append({**job, **explained})
    return found


def _sentence(job: Mapping[str, Any]) -> str:
    """Return why a job failed, for people."""
    if job.get("reason"):
        return str(job["reason"])
    code = job.get("exit_code")
    return f"the script ended with exit code {code}" if code else str(job.get("failure_reason") or "see its log")


def _has_warnings(pipeline: Mapping[str, Any], jobs: Iterable[Mapping[str, Any]]) -> bool:
    return pipeline["status"] == "success" and any(map(_is_allowed_failure, jobs))


def _is_failure(job: Mapping[str, Any]) -> bool:
    return bool(job["status"] == "failed" and not job.get("allow_failure"))


def _is_allowed_failure(job: Mapping[str, Any]) -> bool:
    return bool(job["status"] == "failed" and job.get("allow_failure"))


def _print_reasons(
    client: Client, pipeline: Mapping[str, Any], jobs: list[dict[str, Any]], options: argparse.Namespace
) -> None:
    """Print why jobs failed, and what a pipeline that passed with warnings did not run.

    A service without test reports has no reasons for the latter.
    """
    if options.json:
        return
    for job in filter(_is_failure, jobs):
        print(_safe(f"  {job['name']} failed: {_sentence(job)}"))
    if not _has_warnings(pipeline, jobs):
        return
    with contextlib.suppress(QueryError):
        for reason in client.reasons_not_run(int(pipeline["id"])):
            print(_safe(f"  not run: {reason}"))


class _Progress:
    """Progress of jobs: one live line on a terminal, otherwise a line for each change."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._shown: dict[int, str] = {}

    def show(self, pipeline: Mapping[str, Any], jobs: Iterable[Mapping[str, Any]]) -> None:
        """Show the status of a pipeline's jobs."""
        if self._live:
            words = "  ".join(f"{job['name']}: {_word(job)}{_seconds(job)}" for job in jobs)
            width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
            line = f"pipeline {pipeline['id']} {pipeline['status']}  {words}"
            print(f"\r\x1b[2K{_safe(line)[:width]}", end="", file=sys.stderr, flush=True)
            return
        for job in jobs:
            if self._shown.get(job["id"]) != job["status"] and job["status"] != "created":
                self._shown[job["id"]] = job["status"]
                print(_safe(f"{job['name']}: {_word(job)}{_seconds(job)}"), file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear the live line."""
        if self._live:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


def _word(job: Mapping[str, Any]) -> str:
    return f"{job['status']}, allowed" if _is_allowed_failure(job) else str(job["status"])


def _seconds(job: Mapping[str, Any]) -> str:
    return f" {job['duration']:.0f} s" if job.get("duration") else ""


def _print_pipeline(pipeline: Mapping[str, Any], jobs: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        failed = [f"{job['name']} failed: {_sentence(job)}" for job in jobs if _is_failure(job)]
        reason = {"reason": failed[0]} if failed else {}
        print(json.dumps({**pipeline, **reason, **({"jobs": jobs} if jobs else {})}, indent=1))
        return
    warned = " (passed with warnings)" if _has_warnings(pipeline, jobs) else ""
    print(_safe(f"pipeline {pipeline['id']}  {pipeline['status']}{warned}  {pipeline['web_url']}"))
    _print_jobs(jobs)


def _print_jobs(jobs: Iterable[Mapping[str, Any]]) -> None:
    for job in jobs:
        allowed = ", allowed" if _is_allowed_failure(job) else ""
        reason = f"  {job['failure_reason']}{allowed}" if job.get("failure_reason") else ""
        kept = f"  {job['artifacts_file'].get('size')} bytes of artifacts" if job.get("artifacts_file") else ""
        line = f"  {job['id']:>6}  {job['name']!s:<12} {job['status']:<10}{_seconds(job):>8}{reason}{kept}"
        print(_safe(line.rstrip()))


def _map(client: Client, settings: Mapping[str, str], options: argparse.Namespace) -> int:
    """Run a package for every row of a table; return the exit code of ``packmill map``."""
    if (options.table is None) == (not options.product):
        raise QueryError("give a TABLE, or --product NAME=VALUES...")
    variables = {
        "package": str(options.package),
        "package_process": options.process,
        "table": client.upload(options.table) if options.table else "",
        "product": "\n".join(options.product),
        "values": "\n".join(options.values),
        "row_retries": options.retry,
        "max_failures": options.max_failures,
        "resume": options.resume,
    }
    pipeline = client.trigger({name: str(value) for name, value in variables.items() if value}, ref=settings["ref"])
    number = int(pipeline["id"])
    options.watched.append(number)
    print(_safe(f"pipeline {number}: {pipeline['web_url']}"), file=sys.stderr)
    jobs = [job for job in client.jobs(number) if job["name"] == "map"]
    if not jobs:
        raise QueryError(f"pipeline {number} has no job 'map'; the project's packmill is too old")
    job = int(jobs[0]["id"])
    _follow_map(client, job)
    return _end_map(client, client.job(job), options)


def _follow_map(client: Client, job: int) -> None:
    """Show the progress and the failed rows of a map until its job has finished."""
    live, held = sys.stderr.isatty(), b""
    for chunk in client.follow(job):
        whole, _, held = (held + chunk).rpartition(b"\n")
        for found in filter(None, map(_MAP_PROGRESS.match, _plain(whole).splitlines())):
            is_count = not found[1].startswith("row ")
            end = "" if live and is_count else "\n"
            print("\r\x1b[2K" * live + found[1], end=end, file=sys.stderr, flush=True)
    if live:
        print(file=sys.stderr)


def _end_map(client: Client, job: Mapping[str, Any], options: argparse.Namespace) -> int:
    """Download the tables of a map that has ended, print their paths, and why rows or the job failed."""
    number, written, lost = int(job["id"]), list[str](), list[str]()
    for name in ("results.csv", "results.parquet", "report.html"):
        try:
            written.append(str(client.artifact(number, f"results/{name}", options.outdir)))
        except NotFoundError:  # a map that did not start has none
            if (earlier := options.outdir / name).exists():
                print(f"query.py: {_safe(str(earlier))}: of an earlier job; job {number} has none", file=sys.stderr)
        except QueryError as error:
            lost.append(f"{name}: {error}")
    if job["status"] == "success" and not written and not lost:
        lost.append(f"job {number} has no results among its artifacts")
    reason = client.failure(job) or ("" if job["status"] == "success" else str(job["status"]))
    found = _CODE_OF_REASON.search(reason)
    code = int(found[1]) if found and _is_exit_code(found[1]) else int(job["status"] != "success")
    code = 2 if lost and not code else code
    summary = {"job": number, "status": job["status"], "exit_code": code, "reason": reason, "results": written}
    print(json.dumps(summary) if options.json else _safe_lines(written))
    if reason and not written:
        print(_safe_lines(_plain(client.log(number)).splitlines()[-25:]), file=sys.stderr)
    if reason:
        advice = f"\n  to run what failed or is missing, add --resume {number}" if written else ""
        print(f"query.py: {_safe(reason)}\n  {_safe(str(job['web_url']))}{advice}", file=sys.stderr)
    for problem in lost:
        print(f"query.py: {_safe_lines(problem.splitlines())}", file=sys.stderr)
    return code


def _safe_lines(lines: Iterable[str]) -> str:
    return "\n".join(map(_safe, lines))


def _jobs(client: Client, _: Mapping[str, str], options: argparse.Namespace) -> int:
    jobs = client.jobs(options.pipeline, scopes=options.scope)
    if options.json:
        shown = jobs if options.pipeline is None else _explained(client, jobs, options)
        print(json.dumps(shown, indent=1))
    else:
        _print_jobs(jobs)
    return 0


def _log(client: Client, _: Mapping[str, str], options: argparse.Namespace) -> int:
    chunks = client.follow(options.job) if options.follow else iter((client.log(options.job),))
    use_colors = sys.stdout.isatty()
    held = b""
    for chunk in chunks:
        whole, newline, held = (held + chunk).rpartition(b"\n")
        text = whole + newline
        sys.stdout.write(_for_terminal(text) if use_colors else _plain(text))
        sys.stdout.flush()
    sys.stdout.write(_for_terminal(held) if use_colors else _plain(held))
    return 0


_MARKER = re.compile(
    r"(?:\x1b\[0K)?section_(?:start|end):\d{1,12}:[\w.-]{1,200}(?:\[[^\]\r\n]{0,200}\])?\r(?:\x1b\[0K)?"
)
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _safe(text: str) -> str:
    """Remove control characters, which could move the cursor or set a title."""
    return _CONTROL.sub("", text.encode("utf-8", "replace").decode())


def _for_terminal(log: bytes) -> str:
    """Keep a log's colors and remove all other control sequences."""
    text = _MARKER.sub("", log.decode("utf-8", "replace"))
    parts = re.split(r"(\x1b\[[0-9;]*m)", text)
    return "".join(part if number % 2 else _CONTROL.sub("", _ESCAPE.sub("", part)) for number, part in enumerate(parts))


def _plain(log: bytes) -> str:
    """Remove colors, control sequences and section markers from a log."""
    return _CONTROL.sub("", _ESCAPE.sub("", _MARKER.sub("", log.decode("utf-8", "replace"))))


def _artifacts(client: Client, settings: Mapping[str, str], options: argparse.Namespace) -> int:
    number = options.pipeline or int(client.latest(settings["ref"])["id"])
    jobs = [job for job in client.jobs(number) if job.get("artifacts_file")]
    if options.job:
        jobs = [job for job in jobs if options.job in (job["name"], str(job["id"]))]
    if not jobs:
        raise QueryError(f"pipeline {number}: no artifacts{f' of {options.job}' if options.job else ''} (yet)")
    files = {path for job in jobs for path in client.artifacts(int(job["id"]), options.output)}
    for path in sorted(files):
        print(_safe(str(path)))
    return 0


def _cancel(client: Client, _: Mapping[str, str], options: argparse.Namespace) -> int:
    _print_pipeline(client.cancel(options.pipeline), [], as_json=options.json)
    return 0


def _retry(client: Client, _: Mapping[str, str], options: argparse.Namespace) -> int:
    if client.pipeline(options.pipeline)["status"] == "canceling":  # two attempts at once could deliver to one place
        print(f"pipeline {options.pipeline}: is being canceled; waiting for its jobs to end", file=sys.stderr)
        client.wait(options.pipeline)
    pipeline = client.retry(options.pipeline)
    if options.wait:
        return _watch(client, options.pipeline, options)
    _print_pipeline(pipeline, [], as_json=options.json)
    return 0


def _configure(_: Client, settings: Mapping[str, str], __: argparse.Namespace) -> int:
    """Ask for address and tokens and store them in a file that only this user can read."""
    kept = {}
    for name, (_variable, _usual, what) in _SETTINGS.items():
        now = settings[name]
        if "token" in name:
            kept[name] = getpass.getpass(f"{what}{' (empty: unchanged)' if now else ''}: ") or now
        else:
            kept[name] = input(f"{what} [{now}]: ").strip() or now
    file = settings_file()
    new = file.with_name(file.name + ".new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
            json.dump(kept, opened, indent=1)
        new.replace(file)
    except OSError as error:
        raise QueryError(f"{file}: cannot be written: {error.strerror}") from None
    print(f"stored in {file}")
    return 0


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {variable:<26}{what}" for variable, _, what in _SETTINGS.values())
    parser = argparse.ArgumentParser(
        prog="query.py",
        description="Start and follow packmill pipelines on GitLab or on 'packmill serve'.",
        epilog=f"""\
environment (query.py configure stores the same settings in a file):
{listed}

exit codes: 0 success, also with warnings, 1 the pipeline failed, 2 the request failed, 130 interrupted;
of map: those of packmill map, 20 if a row failed""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_settings(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    trigger = _add(commands, "trigger", _trigger, "start a pipeline that packages a repository")
    trigger.add_argument("--repository", metavar="URL", help="git URL of the repository")
    trigger.add_argument("--checkout", metavar="NAME", help="branch, tag or commit")
    trigger.add_argument(
        "--process", action="append", default=[], metavar="PATH", help="notebook or script to package (repeatable)"
    )
    trigger.add_argument("--env", metavar="PATH|URL", help="environment that replaces the repository's own")
    trigger.add_argument("--registry", metavar="HOST/PATH", help="registry that the image is pushed to")
    trigger.add_argument("--destination", metavar="GIT-URL", help="repository that the package is deposited in")
    trigger.add_argument("--deploy", metavar="URL", help="platform that the package is deployed to; needs --registry")
    trigger.add_argument(
        "--variable",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another variable of the pipeline (repeatable)",
    )
    trigger.add_argument("--wait", action="store_true", help="wait until the pipeline has finished")

    status = _add(commands, "status", _status, "show a pipeline and its jobs")
    status.add_argument("pipeline", type=int, nargs="?", help="number (default: the latest of the ref)")
    status.add_argument("--wait", action="store_true", help="wait until the pipeline has finished")

    jobs = _add(commands, "jobs", _jobs, "list jobs")
    jobs.add_argument("--pipeline", type=int, metavar="N", help="jobs of one pipeline (default: the latest 100 jobs)")
    jobs.add_argument("--scope", action="append", default=[], choices=SCOPES, help="jobs with this status (repeatable)")

    table = _add(commands, "map", _map, "run a package for every row of a table, and download the table of results")
    table.add_argument("package", type=int, metavar="PACKAGE_JOB", help="number of the job that built the package")
    table.add_argument("table", type=Path, nargs="?", metavar="TABLE", help="as of packmill map: .csv, .geojson, ...")
    table.add_argument(
        "--product", nargs="+", action="extend", default=[], metavar="NAME=VALUES", help="lists and ranges, not TABLE"
    )
    table.add_argument(
        "-p", action="append", default=[], metavar="NAME=VALUE", dest="values", help="a value for all rows (repeatable)"
    )
    table.add_argument("--process", default="", metavar="PATH", help="process, if the job has packages of several")
    table.add_argument("--retry", type=int, metavar="N", help="further attempts at a row that ran out of memory")
    table.add_argument("--max-failures", metavar="N", help="start no further rows after more failures than this")
    table.add_argument("--resume", type=int, metavar="JOB", help="keep the good rows of an earlier job with this table")
    table.add_argument("--outdir", type=Path, default=Path("results"), metavar="DIR", help="(default: results)")

    log = _add(commands, "log", _log, "print a job's log")
    log.add_argument("job", type=int, help="job number")
    log.add_argument("--follow", action="store_true", help="print new lines until the job has finished")

    artifacts = _add(commands, "artifacts", _artifacts, "download the artifacts of a pipeline")
    artifacts.add_argument("pipeline", type=int, nargs="?", help="number (default: the latest of the ref)")
    artifacts.add_argument("--job", metavar="NAME", help="only the artifacts of this job (name or number)")
    artifacts.add_argument("--output", type=Path, default=Path("artifacts"), metavar="DIR", help="(default: artifacts)")

    _add(commands, "cancel", _cancel, "cancel a pipeline").add_argument("pipeline", type=int)
    retry = _add(commands, "retry", _retry, "retry the failed jobs of a pipeline")
    retry.add_argument("pipeline", type=int)
    retry.add_argument("--wait", action="store_true", help="wait until the pipeline has finished")
    _add(commands, "configure", _configure, "store address and tokens in a file")
    return parser


def _add(
    commands: Any, name: str, command: Callable[[Client, Mapping[str, str], argparse.Namespace], int], brief: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=brief, description=brief[0].upper() + brief[1:])
    parser.add_argument("--json", action="store_true", help="print JSON")
    _add_settings(parser, shown=False)
    parser.set_defaults(command=command)
    return parser


def _add_settings(parser: argparse.ArgumentParser, *, shown: bool = True) -> None:
    """Add options for address, project and tokens, before or after the command; only the main help shows them."""
    for name, (_, usual, what) in _SETTINGS.items():
        default = (
            f" (default: {usual})" if usual else "; prefer the variable below, since others can read command lines"
        )
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            metavar="TOKEN" if "token" in name else name.upper(),
            default=argparse.SUPPRESS,
            help=what + default if shown else argparse.SUPPRESS,
        )


if __name__ == "__main__":
    sys.exit(main())
