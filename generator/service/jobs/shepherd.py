"""The program that looks after one job: fetches the project, runs the script, keeps the trace, collects artifacts.

It is a process of its own, in a session of its own, so that a job outlives a service that is killed. Run by path with
the standard library alone; this docstring is its protocol:

- **arguments**: the job's folder, and the number of a file descriptor. That is the locked ``lock`` of the folder, held
  as long as this process lives: whoever gets the lock knows that the job is over.
- **stdin**: one JSON object (`_Spec`), which holds the job's secrets and is never written.
- **``trace``**: the log, as it comes, with secrets masked. **``group``**: the number of the script's process group.
- **``artifacts.zip``**: paths of the work folder. **``result.json``**: how the job ended, written last and whole. No
  ``result.json`` after the lock is free means that this process was killed.
- **SIGTERM** cancels: the script's group gets SIGTERM, ten seconds later SIGKILL.

The script is started by ``confinement.py``; its containers are ended by ``leftovers.py``. Both are next to this file.
"""

from __future__ import annotations

import ctypes
import glob
import json
import os
import pwd
import selectors
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

_GRACE = 10.0
_CHUNK = 1 << 16
_DOTENV_LIMIT = 1 << 20
_GREEN, _RED, _YELLOW, _PLAIN = "\x1b[32;1m", "\x1b[31;1m", "\x1b[0;33m", "\x1b[0;m"
_BE_SUBREAPER = 36
_CONFINEMENT, _LEFTOVERS = (Path(__file__).with_name(name) for name in ("confinement.py", "leftovers.py"))
_Spec = dict[str, Any]
"""script (lines), environment, project (a git repository), sha, work and temporary (folders), home (links by their
place in the job's home folder), user, files (as ``confinement.py`` has them), label, artifacts (zips of earlier jobs),
keep ({paths, when, junit, dotenv}), timeout (seconds), trace_limit and artifacts_limit (bytes), secrets (texts)."""


class Trace:
    """The log of a job: secrets masked even where a chunk ends within one, and not longer than its limit."""

    def __init__(self, path: Path, *, secrets: list[str], limit: int) -> None:
        self._file = path.open("ab", buffering=0)
        self._secrets = sorted((secret.encode() for secret in secrets if secret), key=len, reverse=True)
        self._held = b""
        self._left = limit - path.stat().st_size
        self._limit = limit

    def write(self, chunk: bytes) -> None:
        """Writes what can be no beginning of a secret, holds back the rest."""
        text = self._held + chunk
        for secret in self._secrets:
            text = text.replace(secret, b"[MASKED]")
        held = max((_overlap(text, secret) for secret in self._secrets), default=0)
        self._held = text[len(text) - held :]
        self._put(text[: len(text) - held])

    def say(self, text: str, colour: str = "") -> None:
        """A line of the shepherd's own."""
        self.flush()
        self.write(f"{colour}{text}{_PLAIN if colour else ''}\n".encode())

    def flush(self) -> None:
        """Writes what was held back: nothing more comes."""
        held, self._held = self._held, b""
        self._put(held)

    def _put(self, text: bytes) -> None:
        if self._left <= 0 or not text:
            return
        self._left -= len(text)
        self._file.write(text)
        if self._left <= 0:
            self._file.write(f"\n{_RED}The log exceeds {self._limit} bytes; the rest is not kept{_PLAIN}\n".encode())


def _overlap(text: bytes, secret: bytes) -> int:
    """How many bytes at the end of ``text`` could be the beginning of ``secret``."""
    longest = min(len(secret) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if text.endswith(secret[:size])), 0)


class Section:
    """A part of the log that folds (https://docs.gitlab.com/ci/jobs/job_logs/)."""

    def __init__(self, trace: Trace, name: str, title: str) -> None:
        self._trace, self._name, self._title = trace, name, title

    def __enter__(self) -> None:
        mark = f"\x1b[0Ksection_start:{int(time.time())}:{self._name}[collapsed=true]\r\x1b[0K"
        self._trace.say(f"{mark}\x1b[36;1m{self._title}{_PLAIN}")

    def __exit__(self, *_: object) -> None:
        self._trace.write(f"\x1b[0Ksection_end:{int(time.time())}:{self._name}\r\x1b[0K".encode())


class SystemFailureError(Exception):
    """What stands around the script failed, not the script."""


class Shepherd:
    """One job from its start to its result."""

    def __init__(self, folder: Path, spec: _Spec) -> None:
        self._folder, self._spec = folder, spec
        self._work, self._temporary = Path(spec["work"]), Path(spec["temporary"])
        self._trace = Trace(folder / "trace", secrets=spec["secrets"], limit=spec["trace_limit"])
        self._canceled = self._timed_out = False
        self._asked_at: float | None = None
        self._group: int | None = None
        signal.signal(signal.SIGTERM, self._cancel)

    def tend(self) -> dict[str, Any]:
        """Runs the job; its result."""
        ended: dict[str, Any] = {"artifacts_size": None, "dotenv": {}, "junit": []}
        try:
            self._prepare()
            ended |= self._run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the job has to have an end
            ended |= {"exit_code": None, "reason": "runner_system_failure", "message": str(error)}
        finally:
            self._end_group()
            self._end_all()
        try:
            self._collect(ended)
        except Exception as error:  # noqa: BLE001 - as above: what a script left can be odd in any way
            ended |= {"reason": ended["reason"] or "runner_system_failure", "message": f"artifacts: {error}"}
        shutil.rmtree(self._work, ignore_errors=True)
        with suppress(OSError):
            self._tell(ended)
        return {**ended, "finished_at": time.time()}

    def _cancel(self, _number: int, _frame: object) -> None:
        self._canceled = True

    def _prepare(self) -> None:
        for folder in (self._work, self._temporary):
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
        with Section(self._trace, "get_sources", "Getting source from the project"):
            self._git("clone", "--quiet", "--shared", "--no-checkout", "--", self._spec["project"], str(self._work))
            self._git("-C", str(self._work), "checkout", "--quiet", "--force", "--detach", self._spec["sha"])
            self._trace.say(f"Checking out {self._spec['sha'][:8]} as detached HEAD")
        if self._spec["artifacts"]:
            with Section(self._trace, "download_artifacts", "Downloading artifacts"):
                for archive in self._spec["artifacts"]:
                    self._unpack(Path(archive))
        self._make_home()
        self._hand_over()

    def _make_home(self) -> None:
        """Make the temporary folder, and in it a home folder with links to the account's settings."""
        home = self._temporary / "home"
        home.mkdir(parents=True)
        for name, target in self._spec["home"].items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).symlink_to(target)

    def _hand_over(self) -> None:
        """Give the job's folders to the account that it runs as, and to no other."""
        for folder in (self._work, self._temporary):
            folder.chmod(0o700)
        if self._spec["user"] is None:
            return
        account = pwd.getpwnam(self._spec["user"])
        for top in (self._work, self._temporary):
            for path in (top, *top.rglob("*")):
                os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)

    def _git(self, *words: str) -> None:
        config = self._folder / "gitconfig"
        # a file and not an option: the other end of a clone looks at who owns the project too, and is told no options
        config.write_text("[safe]\n\tdirectory = *\n[advice]\n\tdetachedHead = false\n")
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": str(config)}
        command = ("git", *words)
        done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, env=environment)
        if done.returncode != 0:
            raise SystemFailureError(f"the project cannot be fetched: {done.stderr.decode(errors='replace').strip()}")

    def _unpack(self, archive: Path) -> None:
        self._trace.say(f"Extracting {archive.parent.name}/{archive.name}")
        with zipfile.ZipFile(archive) as packed:
            for info in packed.infolist():
                target = Path(packed.extract(info, self._work))
                if info.external_attr >> 16 & 0o111:
                    target.chmod(target.stat().st_mode | 0o111)

    def _run(self) -> dict[str, Any]:
        if self._canceled:
            return {"exit_code": None, "reason": "canceled", "message": "canceled"}
        file = self._temporary / "script.sh"
        file.write_text(_script(self._spec["script"]), encoding="utf-8")
        deadline = time.monotonic() + self._spec["timeout"]
        script = self._start("bash", "--noprofile", "--norc", str(file))
        self._follow(script, deadline)
        code = script.wait()
        self._trace.flush()
        if self._canceled:
            return {"exit_code": code, "reason": "canceled", "message": "canceled"}
        if self._timed_out:
            limit = f"execution took longer than {self._spec['timeout']:.0f} seconds"
            return {"exit_code": code, "reason": "job_execution_timeout", "message": limit}
        if code != 0:
            how = f"exit code {code}" if code > 0 else f"killed by {signal.Signals(-code).name}"
            return {"exit_code": code if code > 0 else 128 - code, "reason": "script_failure", "message": how}
        return {"exit_code": 0, "reason": None, "message": ""}

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start the script as the job's account, confined to its files; its output comes by a pipe."""
        if self._spec["files"]:
            ctypes.CDLL(None).prctl(_BE_SUBREAPER, 1, 0, 0, 0)
        self._output, theirs = os.pipe()
        problems, report = os.pipe()
        script = subprocess.Popen(
            (sys.executable, "-I", "-S", str(_CONFINEMENT), str(report)),
            cwd=self._work,
            stdin=subprocess.PIPE,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            pass_fds=(report,),
        )
        os.close(theirs)
        os.close(report)
        self._group = script.pid
        (self._folder / "group").write_text(str(script.pid))
        asked = {name: self._spec[name] for name in ("environment", "user", "files")}
        with suppress(BrokenPipeError), script.stdin or open(os.devnull, "wb") as pipe:
            pipe.write(json.dumps({**asked, "command": command}).encode())
        with open(problems, "rb") as pipe:
            problem = pipe.read().decode(errors="replace")
        if problem:
            script.wait()
            raise SystemFailureError(problem)
        return script

    def _follow(self, script: subprocess.Popen[bytes], deadline: float) -> None:
        """Copies what the script prints until it has ended.

        A daemon that the script leaves behind may keep the pipe open: one more look after the script's end is enough.
        """
        descriptor, open_still = self._output, True
        os.set_blocking(descriptor, False)
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while True:
                over = script.poll() is not None
                if open_still:
                    selector.select(0.0 if over else 0.2)
                    open_still = self._copy(descriptor)
                elif not over:
                    time.sleep(0.02)
                if over:
                    return
                self._press(script, deadline)

    def _press(self, script: subprocess.Popen[bytes], deadline: float) -> None:
        """Ends a script that was canceled or whose time is up: asks first, kills after a while."""
        self._timed_out = self._timed_out or (time.monotonic() > deadline and not self._canceled)
        if not (self._timed_out or self._canceled):
            return
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            _signal_group(script.pid, signal.SIGTERM)
        elif time.monotonic() > self._asked_at + _GRACE:
            _signal_group(script.pid, signal.SIGKILL)

    def _copy(self, descriptor: int) -> bool:
        """Whatever is there now; False when the other end is closed."""
        for _ in range(64):
            try:
                chunk = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            self._trace.write(chunk)
        return True

    def _end_group(self) -> None:
        """Ends what the script has started and left in its process group: nothing works on when the job is over."""
        if self._group is None:
            return
        deadline = time.monotonic() + (_GRACE if self._canceled or self._timed_out else _GRACE / 5)
        _signal_group(self._group, signal.SIGTERM)
        while time.monotonic() < deadline and _signal_group(self._group, 0):
            time.sleep(0.02)
        _signal_group(self._group, signal.SIGKILL)

    def _end_all(self) -> None:
        """End what left the process group and what runs in the engine, then remove what may hold secrets."""
        while self._spec["files"]:
            try:
                ended, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not ended:
                _kill_children()
                time.sleep(0.01)
        subprocess.run((sys.executable, "-I", "-S", str(_LEFTOVERS), self._spec["label"]), check=False)
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _collect(self, ended: dict[str, Any]) -> None:
        """Adds what the job leaves: the size of its archive, its dotenv variables, its JUnit reports."""
        keep, succeeded = self._spec["keep"], ended["reason"] is None
        if not self._work.is_dir():
            return
        if keep["when"] == "always" or (keep["when"] == "on_success") is succeeded:
            ended["artifacts_size"] = self._pack(keep["paths"])
        ended["dotenv"] = self._dotenv(keep["dotenv"]) if succeeded else {}
        ended["junit"] = [self._report(number, path) for number, path in enumerate(self._inside(keep["junit"]))]

    def _pack(self, patterns: list[str]) -> int | None:
        files = self._inside(patterns)
        if not patterns:
            return None
        if not files:
            self._trace.say(f"WARNING: {', '.join(patterns)}: no matching files", _YELLOW)
            return None
        if sum(path.stat().st_size for path in files) > self._spec["artifacts_limit"]:
            raise SystemFailureError(f"they exceed {self._spec['artifacts_limit']} bytes and are not kept")
        target = self._folder / "artifacts.zip.new"
        shape: dict[str, Any] = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 3, "strict_timestamps": False}
        try:
            with zipfile.ZipFile(target, "w", **shape) as packed:
                for path in files:
                    packed.write(path, os.fsencode(path.relative_to(self._work)).decode("utf-8", "replace"))
            target.rename(self._folder / "artifacts.zip")
        finally:
            target.unlink(missing_ok=True)
        size = (self._folder / "artifacts.zip").stat().st_size
        self._trace.say(f"Uploading artifacts: {len(files)} files, {size} bytes")
        return size

    def _inside(self, patterns: list[str]) -> list[Path]:
        """The regular files that patterns name; a link is no artifact, wherever it leads."""
        files: set[Path] = set()
        for pattern in patterns:
            for match in glob.glob(pattern, root_dir=self._work, recursive=True):  # noqa: PTH207 - root_dir
                path = self._work / match
                files.update(_below(path) if path.is_dir() and not path.is_symlink() else [path])
        top = self._work.resolve()
        return sorted(p for p in files if p.is_file() and not p.is_symlink() and p.resolve().is_relative_to(top))

    def _report(self, number: int, path: Path) -> str:
        name = f"junit-{number}.xml"
        shutil.copyfile(path, self._folder / name)
        return name

    def _dotenv(self, patterns: list[str]) -> dict[str, str]:
        variables = {}
        for path in self._inside(patterns):
            for line in path.read_bytes()[:_DOTENV_LIMIT].decode(errors="replace").splitlines():
                name, equals, value = line.partition("=")
                if equals and name.strip().isidentifier() and "\0" not in value:
                    variables[name.strip()] = value.strip().strip('"')
        return variables

    def _tell(self, ended: dict[str, Any]) -> None:
        if ended["reason"] is None:
            self._trace.say("Job succeeded", _GREEN)
        elif ended["reason"] == "canceled":
            self._trace.say("ERROR: Job canceled", _RED)
        else:
            kind = " (system failure)" if ended["reason"] == "runner_system_failure" else ""
            self._trace.say(f"ERROR: Job failed{kind}: {ended['message']}", _RED)
        self._trace.flush()


def _below(folder: Path) -> list[Path]:
    return [Path(root, name) for root, _, names in os.walk(folder) for name in names]


def _script(lines: list[str]) -> str:
    """The script that stops at the first failure and shows each line before it runs."""
    shown = ["set -eo pipefail"]
    for line in lines:
        told = line if "\n" not in line else line.splitlines()[0] + " # collapsed multi-line command"
        quoted = f"{_GREEN}$ {told}{_PLAIN}".replace("'", "'\\''")
        shown += [f"printf '%s\\n' '{quoted}'", line]
    return "\n".join(shown) + "\n"


def _signal_group(group: int, number: int) -> bool:
    """Sends a signal to a process group, 0 to ask alone; whether there is anyone in it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _kill_children() -> None:
    """Kill the children of this process; theirs become its own."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            parent = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                os.kill(int(process.name), signal.SIGKILL)


def main() -> None:
    """Tends the job of the folder that is named."""
    folder = Path(sys.argv[1])
    (folder / "pid").write_text(str(os.getpid()))
    os.set_inheritable(int(sys.argv[2]), False)  # noqa: FBT003 - it is the descriptor's own word
    result = Shepherd(folder, json.load(sys.stdin)).tend()
    new = folder / "result.json.new"
    new.write_text(json.dumps(result), encoding="utf-8")
    new.rename(folder / "result.json")


if __name__ == "__main__":
    main()
