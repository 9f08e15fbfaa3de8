"""Real kernels: bash, one whose language nothing can write, and Python kernels that misbehave."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest
from forked_programs import RUNNER, run
from support import write_notebook
from waiting import has_ended, wait_until

from generator.resources import data_folder
from generator.runner.kernels.prepared import Kind, PreparedProcess
from generator.runner.kernels.process import build_environment
from generator.runner.kernels.specs import Kernel

pytestmark = pytest.mark.slow

_ECHO = """
from ipykernel.kernelbase import Kernel


class Echo(Kernel):
    implementation = "echo"
    implementation_version = "1"
    banner = ""
    language_info = {"name": "echo", "mimetype": "text/plain", "file_extension": ".txt"}

    def do_execute(self, code, silent, *args, **options):
        stream = {"name": "stdout", "text": code.upper()}
        self.send_response(self.iopub_socket, "stream", stream)
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}


from ipykernel.kernelapp import IPKernelApp

IPKernelApp.launch_instance(kernel_class=Echo)
"""


class Here:
    """A folder with its own kernels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kernels = folder / "jupyter" / "kernels"

    def kernel(self, name: str, language: str, *argv: str, **more: Any) -> None:
        (self.kernels / name).mkdir(parents=True)
        document = {"argv": [*argv, "-f", "{connection_file}"], "language": language, "display_name": name, **more}
        (self.kernels / name / "kernel.json").write_text(json.dumps(document))

    def run(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "JUPYTER_PATH": str(self.kernels.parent), **environment}
        return run(RUNNER, "run", "in.ipynb", "out.ipynb", *options, cwd=self.folder, env=variables)

    @property
    def outputs(self) -> list[Any]:
        document = json.loads((self.folder / "out.ipynb").read_text())
        return [cell.get("outputs") for cell in document["cells"]]

    def texts(self) -> str:
        return "".join("".join(one.get("text", "")) for outputs in self.outputs for one in outputs or ())


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


@pytest.fixture
def bash(here: Here) -> Here:
    here.kernel("bash", "bash", sys.executable, "-m", "bash_kernel", env={"PS1": "$"})
    return here


def test_bash_gets_its_parameters_and_runs(bash: Here) -> None:
    cells = ("name=nobody\ncount=1\nwords=(a b)", "echo $name $count ${words[1]}; pwd")
    write_notebook(bash.folder / "in.ipynb", *cells, language="bash", kernel="bash")

    done = bash.run("-p", "name", 'it\'s "so" $HOME', "-y", "words: [x, y z]")

    assert done.returncode == 0, done.stderr
    assert f'it\'s "so" $HOME 1 y z\n{bash.folder}\n' in bash.texts()


def test_a_command_that_fails_in_bash_is_a_failure(bash: Here) -> None:
    write_notebook(bash.folder / "in.ipynb", "n=1", "ls /no/such", "echo later", language="bash", kernel="bash")

    done = bash.run()

    assert done.returncode == 1, done.stderr
    assert "packmill-runner: cell 2 failed" in done.stderr
    assert "later" not in bash.texts()


def test_a_language_that_papermill_cannot_write_runs_without_parameters(here: Here) -> None:
    (here.folder / "echo.py").write_text(_ECHO)
    here.kernel("echo", "echo", sys.executable, str(here.folder / "echo.py"))
    write_notebook(here.folder / "in.ipynb", "hello", language="echo", kernel="echo")

    assert here.run().returncode == 0
    assert here.texts() == "HELLO"


def test_and_a_parameter_for_it_is_refused_before_the_kernel_starts(here: Here) -> None:
    here.kernel("echo", "echo", "/bin/sh", "-c", f"touch {here.folder}/started")
    write_notebook(here.folder / "in.ipynb", "hello", language="echo", kernel="echo")

    done = here.run("-p", "n", "1", "--allow-unknown")

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "packmill-runner: in.ipynb: parameters cannot be written in the language 'echo'"
    )
    assert not (here.folder / "started").exists()


def test_a_value_that_the_language_cannot_hold_is_refused_before_the_kernel_starts(bash: Here) -> None:
    write_notebook(bash.folder / "in.ipynb", "n=1", language="bash", kernel="bash")

    done = bash.run("-y", "n: {a: 1}")

    assert done.returncode == 2
    assert "a value cannot be written in bash: dict type translation not implemented" in done.stderr


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("/bin/sh", "-c", "echo no libraries >&2; exit 3"), "cannot start: it exited with code 3"),
        (("/bin/sh", "-c", "exec sleep 60"), "no answer within 2 s"),
    ],
)
def test_a_kernel_that_does_not_start_says_why(argv: tuple[str, ...], said: str, here: Here) -> None:
    here.kernel("broken", "other", *argv)
    write_notebook(here.folder / "in.ipynb", "x", language="other", kernel="broken")

    done = here.run("--start-timeout", "2")

    assert done.returncode == 4, done.stderr
    assert said in done.stderr.splitlines()[-1]


_WHILE_THE_RUNNER_SLEEPS = """\
import os, signal
from IPython.display import HTML, display
os.kill(os.getppid(), signal.SIGSTOP)  # as on a busy machine
for number in range(5000):
    display(HTML('x' * 200))
os.kill(os.getppid(), signal.SIGCONT)
"""


def test_a_python_without_ipykernel_runs_with_the_kernel_of_the_image(here: Here) -> None:
    program = here.folder / "kernel" / "kernel.py"
    program.parent.mkdir()
    shutil.copy(data_folder("templates") / "image" / "runner" / "kernel.py", program)
    (program.parent / "lib").symlink_to(sysconfig.get_path("purelib"))
    here.kernel("python3", "python", sys.executable, "-S", str(program))
    write_notebook(here.folder / "in.ipynb", "import sys\nprint(sys.path[-1], 'packmill_kernel' in sys.modules)")

    finished = here.run()

    assert finished.returncode == 0, finished.stderr
    assert here.texts() == f"{program.parent / 'lib'} True\n"


@pytest.mark.parametrize("kind", ["kernel", "shell"])
def test_a_process_of_a_python_without_ipykernel_is_prepared_with_the_kernel_of_the_image(
    kind: Kind, here: Here
) -> None:
    venv.create(here.folder / "venv", symlinks=True)
    lib = here.folder / "packmill" / "kernel" / "lib"
    lib.parent.mkdir(parents=True)
    lib.symlink_to(sysconfig.get_path("purelib"))
    argv = (str(here.folder / "venv/bin/python"), str(lib.with_name("kernel.py")), "-f", "{connection_file}")
    kernel = Kernel("python3", "python", argv, here.folder)
    surroundings = {"environment": build_environment(kernel), "directory": here.folder}
    prepared = PreparedProcess(kernel, kind, ["IPython", "json"], **surroundings)
    try:
        assert prepared.is_ready(60)
        assert prepared.imported is not None
        assert prepared.imported.failed == {}
    finally:
        prepared.end()


def test_no_output_is_lost_when_a_kernel_is_faster_than_the_runner(here: Here) -> None:
    write_notebook(here.folder / "in.ipynb", _WHILE_THE_RUNNER_SLEEPS)

    done = here.run()

    assert done.returncode == 0, done.stderr
    assert len(here.outputs[0]) == 5000


def test_no_output_is_lost_when_a_script_starts_ipykernel(here: Here) -> None:
    start = f"exec {sys.executable} -m ipykernel_launcher -f $1"  # after activating an environment, for example
    here.kernel("script", "python", "/bin/sh", "-c", f"{start.replace('$1', '{connection_file}')}")
    write_notebook(here.folder / "in.ipynb", _WHILE_THE_RUNNER_SLEEPS, kernel="script")

    done = here.run()

    assert done.returncode == 0, done.stderr
    assert len(here.outputs[0]) == 5000


@pytest.mark.parametrize("then", ["", "import time\ntime.sleep(1)"], ids=["at the end", "in the middle"])
def test_a_run_fails_when_another_kernel_dropped_output(then: str, here: Here) -> None:
    """A kernel that packmill does not start in its own way has ZeroMQ's limit of 1000 messages."""
    here.kernel("other", "python", sys.executable, "-I", "-m", "ipykernel_launcher")
    write_notebook(here.folder / "in.ipynb", _WHILE_THE_RUNNER_SLEEPS + then, "1", kernel="other")

    done = here.run()

    assert done.returncode == 1, done.stderr
    assert "the kernel 'other' dropped output, which was printed faster than it was read; print less" in done.stderr
    assert 0 < len(here.outputs[0]) < 5000, "what arrived is kept"


def test_a_run_fails_when_a_bash_kernel_dropped_output(bash: Here) -> None:
    runner = "$(ps -o ppid= $PPID)"
    cell = f"kill -STOP {runner}; seq 8000; kill -CONT {runner}"
    write_notebook(bash.folder / "in.ipynb", cell, language="bash", kernel="bash")

    done = bash.run()

    assert done.returncode == 1, done.stderr
    assert "the kernel 'bash' dropped output" in done.stderr


_DISPLAYED_BY_THEMSELVES = """class Own:
    def _ipython_display_(self): print('own')
for _ in range(3): display(Own())
Own()
"""


def test_results_that_display_themselves_are_no_lost_output(here: Here) -> None:
    """ipykernel numbers their results and does not send them."""
    here.kernel("other", "python", sys.executable, "-I", "-m", "ipykernel_launcher")
    work = "lambda: [print(number) for number in range(99)]"
    threads = f"import threading\nfor _ in range(9): threading.Thread(target={work}).start()"
    write_notebook(here.folder / "in.ipynb", *[_DISPLAYED_BY_THEMSELVES] * 3, threads, kernel="other")

    done = here.run()

    assert done.returncode == 0, done.stderr


_NEVER_IDLE = """
import threading, time
from datetime import datetime, timedelta, timezone
from ipykernel.ipkernel import IPythonKernel


class NeverIdle(IPythonKernel):
    executed = False

    def _publish_status(self, status, channel, parent=None):
        if not (self.executed and status == "idle"):
            super()._publish_status(status, channel, parent)

    async def execute_request(self, stream, ident, parent):
        self.executed = True
        await super().execute_request(stream, ident, parent)
        threading.Thread(target=self.print_on, args=(parent,), daemon=True).start()

    def print_on(self, parent):
        for second in range(1000):
            time.sleep(0.05)
            message = self.session.msg("stream", {"name": "stdout", "text": "."}, parent)
            message["header"]["date"] = datetime.now(timezone.utc) + timedelta(seconds=second)
            self.session.send(self.iopub_socket, message)


from ipykernel.kernelapp import IPKernelApp

IPKernelApp.launch_instance(kernel_class=NeverIdle)
"""


def test_a_lost_idle_status_is_noticed_while_a_thread_prints_on(here: Here) -> None:
    (here.folder / "never_idle.py").write_text(_NEVER_IDLE)
    here.kernel("never-idle", "python", sys.executable, str(here.folder / "never_idle.py"))
    write_notebook(here.folder / "in.ipynb", "1", "2", kernel="never-idle")

    done = here.run("--execution-timeout", "60")

    assert done.returncode == 1, done.stderr
    assert "the kernel 'never-idle' dropped output" in done.stderr


def test_a_file_that_is_left_open_is_written_all_the_same(here: Here) -> None:
    at_exit = "import atexit\natexit.register(open('at-exit.txt', 'w').write, 'x')"
    write_notebook(here.folder / "in.ipynb", "f = open('left.txt', 'w')\nf.write('everything')", at_exit)

    assert here.run().returncode == 0
    assert (here.folder / "left.txt").read_text() == "everything"
    assert (here.folder / "at-exit.txt").read_text() == "x"


def test_nothing_that_a_notebook_started_stays(here: Here) -> None:
    cell = "import subprocess\nchild = subprocess.Popen(['sleep', '1000'])\nopen('pid', 'w').write(str(child.pid))"
    write_notebook(here.folder / "in.ipynb", cell)

    assert here.run().returncode == 0
    wait_until(lambda: has_ended(int((here.folder / "pid").read_text())), message="the child has ended")


def test_what_comes_late_belongs_to_its_cell(here: Here) -> None:
    """Messages may have an earlier cell as parent, for example from a thread which that cell started."""
    later = "publisher = get_ipython().display_pub\nparent = publisher.parent_header\nprint('first')"
    now = "publisher.set_parent({'header': parent})\npublisher.publish({'text/plain': 'late'})"
    write_notebook(here.folder / "in.ipynb", later, now, "print('third')")

    assert here.run().returncode == 0
    assert here.outputs[0][1]["data"] == {"text/plain": ["late"]}


@pytest.mark.parametrize(
    "hook",
    [
        "from rich.traceback import install\ninstall()",
        "get_ipython().showtraceback = lambda *a, **k: print('a fine traceback')",
    ],
)
def test_a_failure_that_something_else_shows_is_a_failure(hook: str, here: Here) -> None:
    """The handler of rich prints the traceback itself and adds no error to the outputs."""
    write_notebook(here.folder / "in.ipynb", hook, "1 / 0", "print('later')")

    done = here.run()

    assert done.returncode == 1
    assert "cell 2 failed: ZeroDivisionError: division by zero" in done.stderr
    assert "later" not in here.texts()


def test_tags_decide_what_runs_and_what_may_fail(here: Here) -> None:
    write_notebook(here.folder / "in.ipynb", "n = 1", "1 / 0", "print('after')", "print('skipped')")
    document = json.loads((here.folder / "in.ipynb").read_text())
    document["cells"][1]["metadata"]["tags"] = ["raises-exception"]
    document["cells"][3]["metadata"]["tags"] = ["skip-execution"]
    (here.folder / "in.ipynb").write_text(json.dumps(document))

    assert here.run().returncode == 0
    assert here.texts() == "after\n"


def test_two_runs_differ_in_times_alone(here: Here) -> None:
    write_notebook(
        here.folder / "in.ipynb",
        "n = 1",
        "import sys\nfor i in range(300):\n    print(i)\n    print(i, file=sys.stderr)",
        "from IPython.display import display\ndisplay('x')\nprint('y')\n{1, 2}",
    )
    texts = []
    for _ in range(2):
        assert here.run("-p", "n", "2").returncode == 0
        document = json.loads((here.folder / "out.ipynb").read_text())
        for holder in (document, *document["cells"]):
            for key in ("start_time", "end_time", "duration"):
                del holder["metadata"]["papermill"][key]
            holder["metadata"].pop("execution", None)
        texts.append(json.dumps(document))

    assert texts[0] == texts[1]


def test_a_kernel_that_prints_past_its_channels_leaves_stdout_alone(here: Here) -> None:
    write_notebook(here.folder / "in.ipynb", "import os\nos.write(1, b'from below\\n')\nos.system('echo from a shell')")

    done = here.run()

    assert done.returncode == 0
    assert done.stdout == ""
