"""Runs with a real kernel: how they end badly, what is left then, and what secrets leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from forked_programs import RUNNER, start
from support import notebook, write_notebook
from waiting import has_ended, wait_until

from generator.runner.document.document import read_document
from generator.runner.document.saving import Saver

pytestmark = pytest.mark.slow


class Run:
    """A repository with one notebook and a folder to run it in."""

    def __init__(self, folder: Path) -> None:
        self.repository, self.cwd = folder / "repository", folder / "run"
        self.repository.mkdir()
        self.cwd.mkdir()
        self.output = self.cwd / "output"

    def start(
        self, *cells: str, inputs: dict[str, Any] | None = None, options: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        write_notebook(self.repository / "process.ipynb", *cells)
        (self.cwd / "inputs.json").write_text(json.dumps(inputs or {}))
        files = ("--process", "process.ipynb", "--inputs", "inputs.json", "--repository", str(self.repository))
        environment = {**os.environ, "HOME": str(self.cwd), "TMPDIR": tempfile.gettempdir()}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return start(RUNNER, "run", *files, *options, cwd=self.cwd, env=environment, **streams)

    def run(self, *cells: str, **options: Any) -> tuple[int, str]:
        process = self.start(*cells, **options)
        _, err = process.communicate(timeout=120)
        return process.returncode, err

    @property
    def notebook(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.output / "process.ipynb").read_text())
        return document

    @property
    def result(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.output / "result.json").read_text())
        return document

    def texts(self) -> list[Any]:
        return [output.get("text") for cell in self.notebook["cells"] for output in cell.get("outputs", [])]

    def left_behind(self) -> list[str]:
        own = ("cwl.output.json", "inputs.json", "output")
        return [path.name for path in self.cwd.iterdir() if path.name not in own]


@pytest.fixture
def here(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_a_template_has_the_defaults_of_inputs_that_a_run_leaves_out(here: Run) -> None:
    template = ("--output-template", "{{ name }}-{{ n }}.ipynb")

    code, err = here.run("name = 'trees'\nn = 1\nkey = ''  # type: secret", "", inputs={"n": 2}, options=template)

    assert code == 0, err
    assert (here.output / "trees-2.ipynb").exists()


def test_a_good_run_is_recorded(here: Run) -> None:
    code, err = here.run("n = 1", "open('x.txt', 'w').write('abc')", "n + 1", inputs={"n": 4})

    assert code == 0, err
    result = here.result
    assert (result["state"], result["reason"], result["exit_code"], result["kernel"]) == (
        "succeeded",
        None,
        0,
        "python3",
    )
    assert result["parameters"] == {"n": 4}
    assert [cell["cell"] for cell in result["cells"]] == [1, None, 2, 3]
    assert 10e6 < result["peak_memory"] < 1e9
    outputs = {one["path"]: one for one in result["outputs"]}
    assert outputs["x.txt"]["size"] == 3
    assert outputs["x.txt"]["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert here.notebook["cells"][-1]["outputs"][0]["data"]["text/plain"] == ["5"]
    assert here.left_behind() == []


@pytest.mark.parametrize(
    ("cell", "options", "code", "reason", "said"),
    [
        ("1 / 0", (), 1, "cell-error", "cell 3 failed: ZeroDivisionError: division by zero"),
        ("%%bash\nexit 3", (), 1, "cell-error", "cell 3 failed: CalledProcessError"),
        (
            "import os; os._exit(7)",
            (),
            5,
            "kernel-died",
            "cell 3 of 4: the kernel 'python3' exited with code 7",
        ),
        ("import os; os.kill(os.getpid(), 9)", (), 5, "kernel-died", "the kernel 'python3' was killed by signal 9"),
        ("import os; os.kill(os.getpid(), 11)", (), 5, "kernel-died", "the kernel 'python3' was killed by signal 11"),
        ("import time; time.sleep(60)", ("--execution-timeout", "1"), 8, "cell-time-limit", "cell 3 of 4 exceeded"),
        (
            "import time; time.sleep(60)",
            ("--timeout", "4"),
            9,
            "run-time-limit",
            "the run exceeded its time limit of 4 s",
        ),
    ],
)
def test_a_run_that_ends_badly_says_how_and_keeps_what_there_is(
    cell: str, options: tuple[str, ...], code: int, reason: str, said: str, here: Run
) -> None:
    ended, err = here.run("n = 1", "open('before.txt', 'w').write('x'); print('seen')", cell, "2", options=options)

    assert ended == code, err
    assert said in err.splitlines()[-2] + err.splitlines()[-1]
    assert (here.result["state"], here.result["reason"], here.result["exit_code"]) == ("failed", reason, code)
    assert (here.output / "before.txt").read_text() == "x"
    assert ["seen\n"] in here.texts()
    assert here.left_behind() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_saves_what_there_is(number: signal.Signals, here: Run) -> None:
    begun = f"import time; open({str(here.repository / 'begun')!r}, 'w')"
    process = here.start("n = 1", "open('before.txt', 'w').write('x'); print('seen')", f"{begun}; time.sleep(600)")
    wait_until((here.repository / "begun").exists)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)

    assert process.returncode == 128 + number, err
    assert here.result["reason"] == "interrupted"
    assert (here.output / "before.txt").exists()
    assert ["seen\n"] in here.texts()
    assert here.left_behind() == []


@pytest.mark.parametrize("ended", ["signal", "limit"])
def test_a_script_and_what_it_started_have_a_moment_to_clean_up_and_then_end(ended: str, here: Run) -> None:
    script = f"trap 'echo > cleaned; exit 0' TERM\nsleep 1000 &\necho $! > child\ntouch {here.repository}/begun\nwait\n"
    (here.repository / "process.sh").write_text(script)
    limit = ("--timeout", "5") if ended == "limit" else ()
    command = ("run", "--process", "process.sh", "--repository", str(here.repository), *limit)
    process = subprocess.Popen([sys.executable, "-m", "generator.runner", *command], cwd=here.cwd)
    if ended == "signal":
        wait_until((here.repository / "begun").exists)
        process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=120) == (143 if ended == "signal" else 9)
    assert (here.output / "cleaned").exists()
    child = int((here.output / "child").read_text())
    wait_until(lambda: has_ended(child))  # on a machine that has much to do, a killed process ends a moment later


@pytest.mark.parametrize("template", ["result.json/x", "scraps.json/x", "scraps/x", "made.txt/x"])
def test_a_template_in_the_way_of_something_else_is_refused(template: str, here: Run) -> None:
    code, err = here.run("out = 'made.txt'  # type: stage-out", inputs={"output_template": template})

    assert code == 2
    assert f"collides with {template.split('/', maxsplit=1)[0]!r}; choose another folder" in err
    assert here.result["reason"] == "bad-inputs"


def test_after_a_kill_the_last_saved_notebook_is_there_and_valid(here: Run) -> None:
    process = here.start("n = 1", "print('seen')", "import time; time.sleep(1.5)", "time.sleep(600)")
    executed = here.output / "process.ipynb"
    wait_until(lambda: executed.exists() and ["seen\n"] in here.texts(), message="the notebook is saved meanwhile")
    process.kill()
    process.communicate()

    assert ["seen\n"] in here.texts()


_SECRET = "correct'horse\"battery\\staple"


def test_a_secret_reaches_the_kernel_and_is_written_nowhere(here: Run) -> None:
    code, err = here.run(
        "token = ''  # type: secret\nn = 1",
        "print(len(token), n)\nprint('the token is ' + token)",
        "import sys; print(token, file=sys.stderr)\ntoken",
        "raise ValueError(f'cannot log in with {token}')",
        inputs={"token": _SECRET, "n": 3},
    )

    assert code == 1
    (here.cwd / "inputs.json").unlink()
    everything = err + "".join(path.read_text() for path in here.cwd.rglob("*") if path.is_file())
    assert f"{len(_SECRET)} 3" in everything
    assert "the token is ********" in everything
    for form in (_SECRET, json.dumps(_SECRET)[1:-1], repr(_SECRET)[1:-1], "correct'horse", "battery\\\\staple"):
        assert form not in everything
    assert here.result["parameters"] == {"token": "********", "n": 3}


def test_saving_costs_little_however_many_cells_there_are(here: Run) -> None:
    """papermill would write this notebook more than 400 times."""
    source = json.dumps(notebook("n = 1", *["print(n)"] * 200)).encode()
    writes: list[int] = []
    saver = Saver(read_document(source, "x.ipynb"), lambda parts: writes.append(len(b"".join(parts))), folder=here.cwd)

    for index in range(200):
        saver.store_cell(index)
        saver.save()
    saver.save(now=True)

    assert len(writes) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_is_named(here: Run) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", here.cwd], check=False)
    if mounted.returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    try:
        code, err = here.run("n = 1", "print('x' * 10_000_000)")
    finally:
        subprocess.run(["umount", "-l", here.cwd], check=True)

    assert code == 10, err
    assert "no space is left" in err
