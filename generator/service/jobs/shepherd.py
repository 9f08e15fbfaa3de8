"""Program that runs one job: fetches the project, runs the script, writes the trace, collects artifacts.

It runs in a separate process and session, so that a job outlives a service that is killed. It is run by path and uses
only the standard library and modules that do the same. This docstring is its protocol:

- **arguments**: the job's folder, and the number of a file descriptor: the folder's ``lock``, locked as long as this
  process lives. A process that gets the lock knows that the job is over.
- **stdin**: one JSON object (`_Spec`). It holds the job's secrets and is never written to disk.
- **``trace``**: the log so far, with secrets masked. **``group``**: the ID of the script's process group.
- **``artifacts.zip``**: files of the work folder. **``result.json``**: how the job ended, written last and atomically.
  A free lock without ``result.json`` means that this process was killed.
- **SIGTERM** cancels the job: the script's process group gets SIGTERM, and SIGKILL ten seconds later. A machine that
  is shut down sends it, too: the service runs a job again that nobody has canceled.

``confinement.py`` starts the script, ``leftovers.py`` ends its containers. Both are located next to this file.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[3]))

from generator.service.jobs.artifact_collector import ArtifactCollector
from generator.service.jobs.trace_writer import GREEN, PLAIN, RED, Trace
from generator.service.jobs.workspace import START_PATIENCE, SystemFailureError, Workspace
from generator.shared import durable_files
from generator.shared.passing_errors import insist
from generator.shared.removal import remove_tree

_GRACE = 10.0
_CHUNK = 1 << 16
_SET_CHILD_SUBREAPER = 36
_PATIENCE = 3600.0
"""Seconds for which a full disk is waited for: a job without a result would count as killed and run again."""
_CONFINEMENT, _LEFTOVERS = (Path(__file__).with_name(name) for name in ("confinement.py", "leftovers.py"))
_Spec = dict[str, Any]
"""script (lines), environment, project (a git repository), sha, work and temporary (folders), home (link targets by
path in the job's home folder), user, files (as in ``confinement.py``), label, artifacts (zips of earlier jobs),
files_of_run (pairs of an uploaded file and its path in the work folder), keep ({paths, when, junit, dotenv}), timeout
(seconds), trace_limit and artifacts_limit (bytes), secrets (texts)."""


class Shepherd:
    """Runs one job from its start to its result."""

    def __init__(self, folder: Path, spec: _Spec) -> None:
        self._folder, self._spec = folder, spec
        self._trace = Trace(folder / "trace", secrets=spec["secrets"], limit=spec["trace_limit"])
        self._workspace = Workspace(folder, spec, self._trace)
        self._canceled = self._timed_out = False
        self._terminated_at: float | None = None
        self._group: int | None = None
        signal.signal(signal.SIGTERM, self._cancel)

    def run_job(self) -> dict[str, Any]:
        """Run the job; return its result."""
        ended: dict[str, Any] = {"artifacts_size": None, "dotenv": {}, "junit": []}
        try:
            self._workspace.prepare()
            ended |= self._run()
        except Exception as error:  # noqa: BLE001 - after any error, the job needs a result
            reason = "canceled" if self._canceled else "runner_system_failure"  # the signal may have ended git, too
            ended |= {"exit_code": None, "reason": reason, "message": str(error)}
        finally:
            self._end_group()
            self._end_all()
        try:
            if self._workspace.work.is_dir():
                limit = self._spec["artifacts_limit"]
                collector = ArtifactCollector(self._workspace.work, self._folder, self._trace, limit=limit)
                collector.collect(self._spec["keep"], ended)
        except Exception as error:  # noqa: BLE001 - as above: a script can leave arbitrary files
            ended |= {"reason": ended["reason"] or "runner_system_failure", "message": f"artifacts: {error}"}
        remove_tree(self._workspace.work)
        with suppress(OSError):
            self._log_result(ended)
        return {**ended, "finished_at": time.time()}

    def _cancel(self, _number: int, _frame: object) -> None:
        self._canceled = True

    def _run(self) -> dict[str, Any]:
        if self._canceled:
            return {"exit_code": None, "reason": "canceled", "message": "canceled"}
        file = self._workspace.temporary / "script.sh"
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
        """Start the script as the job's account, confined to its files, with its output in a pipe."""
        if self._spec["files"]:
            ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._output, theirs = os.pipe()
        problems, report = os.pipe()
        script = insist(
            lambda: subprocess.Popen(
                (sys.executable, "-I", "-S", str(_CONFINEMENT), str(report)),
                cwd=self._workspace.work,
                stdin=subprocess.PIPE,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
                pass_fds=(report,),
            ),
            patience=START_PATIENCE,
        )
        os.close(theirs)
        os.close(report)
        self._group = script.pid
        (self._folder / "group").write_text(str(script.pid))
        spec = {name: self._spec[name] for name in ("environment", "user", "files")}
        with suppress(BrokenPipeError), script.stdin or open(os.devnull, "wb") as pipe:
            pipe.write(json.dumps({**spec, "command": command}).encode())
        with open(problems, "rb") as pipe:
            problem = pipe.read().decode(errors="replace")
        if problem:
            script.wait()
            raise SystemFailureError(problem)
        return script

    def _follow(self, script: subprocess.Popen[bytes], deadline: float) -> None:
        """Copy the script's output to the log until the script has ended.

        A daemon that the script leaves behind may keep the pipe open, so read it only one more time after the end.
        """
        descriptor, is_open = self._output, True
        os.set_blocking(descriptor, False)
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while True:
                over = script.poll() is not None
                if is_open:
                    selector.select(0.0 if over else 0.2)
                    is_open = self._copy_output(descriptor)
                elif not over:
                    time.sleep(0.02)
                if over:
                    return
                self._end_if_due(script, deadline)

    def _end_if_due(self, script: subprocess.Popen[bytes], deadline: float) -> None:
        """End a script that was canceled or timed out: SIGTERM first, SIGKILL after a grace period."""
        self._timed_out = self._timed_out or (time.monotonic() > deadline and not self._canceled)
        if not (self._timed_out or self._canceled):
            return
        if self._terminated_at is None:
            self._terminated_at = time.monotonic()
            _signal_group(script.pid, signal.SIGTERM)
        elif time.monotonic() > self._terminated_at + _GRACE:
            _signal_group(script.pid, signal.SIGKILL)

    def _copy_output(self, descriptor: int) -> bool:
        """Copy the output that is available now; return False when the other end is closed."""
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
        """End the processes that the script left in its process group."""
        if self._group is None:
            return
        deadline = time.monotonic() + (_GRACE if self._canceled or self._timed_out else _GRACE / 5)
        _signal_group(self._group, signal.SIGTERM)
        while time.monotonic() < deadline and _signal_group(self._group, 0):
            time.sleep(0.02)
        _signal_group(self._group, signal.SIGKILL)

    def _end_all(self) -> None:
        """End processes outside of the process group and containers, and remove the folder that may hold secrets.

        An error would end this process without a result, so that the job counts as killed and runs again.
        """
        while self._spec["files"]:
            try:
                ended, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if not ended:
                with suppress(OSError):  # no file descriptor left: tried again
                    _kill_children()
                time.sleep(0.01)
        remove_tree(self._workspace.temporary)  # first: the next step may wait
        command = (sys.executable, "-I", "-S", str(_LEFTOVERS), self._spec["label"])
        with suppress(OSError):  # containers that are left end at the latest when the service starts again
            insist(lambda: subprocess.run(command, check=False), patience=START_PATIENCE)
        remove_tree(self._workspace.temporary)  # a container may have written to it until now

    def _log_result(self, ended: dict[str, Any]) -> None:
        if ended["reason"] is None:
            self._trace.say("Job succeeded", GREEN)
        elif ended["reason"] == "canceled":
            self._trace.say("ERROR: Job canceled", RED)
        else:
            kind = " (system failure)" if ended["reason"] == "runner_system_failure" else ""
            self._trace.say(f"ERROR: Job failed{kind}: {ended['message']}", RED)
        self._trace.close()


def _script(lines: list[str]) -> str:
    """Return a script that prints each line before running it and stops at the first failure."""
    shown = ["set -eo pipefail"]
    for line in lines:
        title = line if "\n" not in line else line.splitlines()[0] + " # collapsed multi-line command"
        quoted = f"{GREEN}$ {title}{PLAIN}".replace("'", "'\\''")
        shown += [f"printf '%s\\n' '{quoted}'", line]
    return "\n".join(shown) + "\n"


def _signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group, 0 to send none; return whether the group has a process."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _kill_children() -> None:
    """Kill the children of this process, which then adopts their children."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            parent = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                os.kill(int(process.name), signal.SIGKILL)


def main() -> None:
    """Run the job of the folder given as argument."""
    folder = Path(sys.argv[1])
    os.set_inheritable(int(sys.argv[2]), False)  # noqa: FBT003 - the parameter has no name
    spec = json.load(sys.stdin)  # first: the service waits until it is read
    insist(lambda: (folder / "pid").write_text(str(os.getpid())), patience=_PATIENCE)
    result = Shepherd(folder, spec).run_job()
    insist(lambda: _store_result(folder, result), patience=_PATIENCE)


def _store_result(folder: Path, result: dict[str, Any]) -> None:
    new = folder / "result.json.new"
    new.write_text(json.dumps(result), encoding="utf-8")
    durable_files.sync(folder / "trace")
    durable_files.replace(new, folder / "result.json")
    durable_files.sync(folder.parent)


if __name__ == "__main__":
    main()
