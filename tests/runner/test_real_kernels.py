"""Kernels of other projects: a failed cell is a failed run, whatever the kernel replies, and a good cell never is.

`scripts/test-kernels` installs them; `test_kernel_table.py` makes the table of kernels in docs/runner.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forked_programs
import pytest
from forked_programs import RUNNER
from real_kernels import data_folder, require_kernel
from support import write_notebook

pytestmark = pytest.mark.slow


@dataclass(frozen=True, kw_only=True)
class Case:
    """Cells of one kernel: good ones, which may look like failures, and failing ones with the error in the notebook."""

    kernel: str
    language: str
    good: tuple[str, ...]
    failing: tuple[tuple[str, str, str], ...]
    last: tuple[str, str]
    """The failing cell that ends the run, and the end of its message."""
    sleeping: str = ""


_CASES = (
    Case(
        kernel="octave",
        language="octave",
        good=(
            "x = 1;",
            'disp("error: x"); printf("error: boom\\n")',
            'try; error("in"); catch e; disp(["error: " e.message]); end',
            'warning("careful")',
        ),
        failing=(
            ('error("boom")', "error", "boom"),
            ('printf("part"); error("my:id", "two\\nlines")', "error", "two"),
            ("x = )", "error", "parse error:"),
            ("x = [1, 2", "error", "Continuation prompt found - input was incomplete:\nx = [1, 2"),
        ),
        last=("y = undefinedx", "error: 'undefinedx' undefined near line 1, column 5"),
        sleeping="pause(60)",
    ),
    Case(
        kernel="gnuplot",
        language="gnuplot",
        good=(
            "x = 1",
            'print "undefined variable: y"',
            "plot sin(x)",
            "set multiplot\nplot x\nplot x*x\nunset multiplot",
        ),
        failing=(
            ("print undefinedy\nprint 5", "error", "undefined variable: undefinedy"),
            ('plot "no-such-file"', "error", "No data in plot"),
            ("plo sin(x", "error", "plo sin(x\n         ^\n')' expected"),
        ),
        last=("print undefinedz", "error: undefined variable: undefinedz"),
    ),
    Case(
        kernel="calysto_scheme",
        language="scheme",
        good=("(define x 1)", '(display "Error: RunTimeError: x")'),
        failing=(
            ("(car x)", "RunTimeError", "car called on non-pair 1"),
            ("(+ 1", "ReadError", "unexpected end of input"),
        ),
        last=("(undefined-x)", "RunTimeError: unbound variable 'undefined-x'"),
    ),
    Case(
        kernel="bash",
        language="bash",
        good=("x=1", "echo 'Restarting Bash'", "(exit 3) || true", "false; true"),
        failing=(
            ("ls /no/such", "", "2"),
            ("exit 3", "exit status", "3"),
            ("trap 'echo bye' EXIT; exit 4", "exit status", "4"),
            ("trap 'echo bye' EXIT; set -e; false; echo never", "exit status", "unknown"),
        ),
        last=("set -e; false; echo never", "exit status: 1"),
    ),
    Case(
        kernel="zsh",
        language="zsh",
        good=("x=1", "false; true", "for i in 1 2; do\necho $i\ndone"),
        failing=(("false", "exit status", "1"), ("ls /no/such", "exit status", "2")),
        last=("exit 3", "EOF: EOF"),
    ),
    Case(
        kernel="tslab",
        language="typescript",
        good=(
            "let x = 1",
            'process.once("unhandledRejection", () => 0); Promise.reject(new Error("expected")); 1',
            'console.error("UnhandledPromiseRejection: x", "Uncaught: x", "Unhandled rejection: x")',
            'try { await Promise.reject(new Error("in")) } catch (error) { console.log("caught") }',
        ),
        failing=(
            ('throw new Error("boom")', "Error", "boom"),
            ('throw "text"', "error", "text"),
            ("console.log(undefinedx)", "error", "1:13 - Cannot find name 'undefinedx'. Did you mean 'undefined'?"),
            ('Promise.reject(new TypeError("lost")); 1', "TypeError", "lost"),
        ),
        last=('setTimeout(() => { throw new Error("late") }, 1); 1', "Error: late"),
        sleeping="await new Promise(resolve => setTimeout(resolve, 60000))",
    ),
    Case(
        kernel="xpython",
        language="python",
        good=("x = 1", "import sys\nprint('NameError: x', file=sys.stderr)"),
        failing=(("1 / 0", "<class 'ZeroDivisionError'>", "division by zero"),),
        last=("undefinedx", "NameError: name 'undefinedx' is not defined\n  line 1: undefinedx"),
        sleeping="import time\ntime.sleep(60)",
    ),
    Case(
        kernel="sos",
        language="sos",
        good=("x = 1",),
        failing=(),
        last=("1 / 0", "ZeroDivisionError: division by zero"),
        sleeping="import time\ntime.sleep(60)",
    ),
)
_LATER = {
    "octave": 'disp("later")',
    "gnuplot": 'print "later"',
    "calysto_scheme": '(display "later")',
    "bash": "echo later",
    "zsh": "echo later",
    "tslab": 'await new Promise(resolve => setTimeout(resolve, 100)); console.log("later")',
    "xpython": "print('later')",
    "sos": "print('later')",
}


def run(
    folder: Path,
    case: Case,
    *cells: str,
    options: tuple[str, ...] = (),
    may_fail: range = range(0),
    change: Callable[[Any], None] = lambda _: None,
) -> Any:
    variables = {**os.environ, "JUPYTER_PATH": str(require_kernel(case.kernel)), "HOME": str(folder)}
    variables["PATH"] = f"{data_folder.parents[1] / 'bin'}{os.pathsep}{variables['PATH']}"
    node = data_folder.parents[1] / "node" / "node_modules"
    if node.exists():
        (folder / "node_modules").symlink_to(node)  # the types of Node.js, as a user of tslab installs them
    path = write_notebook(folder / "in.ipynb", *cells, language=case.language, kernel=case.kernel, tags=())
    document = json.loads(path.read_text())
    for number in may_fail:
        document["cells"][number]["metadata"]["tags"] = ["raises-exception"]
    change(document)
    path.write_text(json.dumps(document))
    words = ("in.ipynb", "out.ipynb", "--results", ".", *options)
    return forked_programs.run(RUNNER, "run", *words, cwd=folder, env=variables)


def errors_of(cell: Any) -> list[tuple[str, str]]:
    outputs = [one for one in cell["outputs"] if one["output_type"] == "error"]
    return [(str(one["ename"]), str(one["evalue"])) for one in outputs]


def text_of(cell: Any) -> str:
    data = ("".join(one.get("text") or one.get("data", {}).get("text/plain", "")) for one in cell["outputs"])
    return "".join(data)


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.kernel)
def test_failed_cells_fail_and_good_ones_do_not(case: Case, tmp_path: Path) -> None:
    failing = [cell for cell, _name, _value in case.failing]
    later = _LATER[case.kernel]
    first = len(case.good)
    cells = (*case.good, *failing, later, case.last[0], later)

    done = run(tmp_path, case, *cells, may_fail=range(first, first + len(failing)))

    document = json.loads((tmp_path / "out.ipynb").read_text())
    executed = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    assert done.returncode == 1, done.stderr
    assert [errors_of(cell) for cell in executed[:first]] == [[]] * first
    found = [errors_of(cell) for cell in executed[first : first + len(failing)]]
    assert found == [[(name, value)] for _cell, name, value in case.failing]
    assert "later" in text_of(executed[first + len(failing)])
    # the last failure of tslab comes from a timer, after the cell's end or while the next cell runs
    failed = len(cells) if case.kernel == "tslab" and not errors_of(executed[-2]) else len(cells) - 1
    assert errors_of(executed[failed - 1]), "the notebook and its page show the error"
    if case.kernel != "tslab":
        assert executed[-1]["outputs"] == []
    assert f"cell {failed} failed: " in done.stderr
    assert done.stderr.rstrip().endswith(case.last[1])
    assert "code still runs" not in done.stderr
    assert "over TCP" not in done.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["state"], result["reason"]) == ("failed", "cell-error")
    assert not any("\a" in text_of(cell) for cell in executed), "no mark of packmill's stays"
    counts = [cell["execution_count"] for cell in executed[: len(case.good)]]
    if case.kernel != "tslab":  # it publishes none
        assert counts == list(range(1, len(counts) + 1)), "questions to the kernel do not count"


@pytest.mark.parametrize("case", [case for case in _CASES if case.sleeping], ids=lambda case: case.kernel)
def test_a_time_limit(case: Case, tmp_path: Path) -> None:
    """The sleeping cell is interrupted as the kernel allows; what does not react is killed."""
    done = run(tmp_path, case, case.good[0], case.sleeping, options=("--execution-timeout", "2"))

    assert done.returncode == 8, done.stderr
    assert "cell 2 of 2 exceeded the cell time limit of 2 s" in done.stderr
    assert not list(tmp_path.glob("octave-*")), "a killed Octave would leave a file"


@pytest.mark.parametrize(
    ("name", "leave"),
    [
        ("octave", "quit"),
        ("octave", 'disp("bye"); if true; exit(0); end'),
        ("bash", "exit 0"),
        ("bash", "t=1; trap 'echo \"bye $t\"' EXIT; (exit 3) || exit 0"),
    ],
)
def test_leaving_the_kernel_ends_the_notebook_well(name: str, leave: str, tmp_path: Path) -> None:
    case = next(case for case in _CASES if case.kernel == name)

    done = run(tmp_path, case, case.good[0], leave, _LATER[name])

    document = json.loads((tmp_path / "out.ipynb").read_text())
    assert done.returncode == 0, done.stderr
    assert document["cells"][2]["outputs"] == []


def test_a_cell_without_a_reply_has_failed(tmp_path: Path) -> None:
    """bash_kernel is idle again after an open quote, and never replies."""
    case = next(case for case in _CASES if case.kernel == "bash")

    done = run(tmp_path, case, 'echo "open', "echo later", may_fail=range(1))

    document = json.loads((tmp_path / "out.ipynb").read_text())
    assert done.returncode == 0, done.stderr
    assert errors_of(document["cells"][0]) == [("error", "the kernel did not reply; is the cell incomplete?")]
    assert text_of(document["cells"][1]) == "later\n"


_SOS_CELLS = (
    ("octave", 'error("boom")', ("error", "boom")),
    ("octave", 'disp("error: x")', None),
    ("gnuplot", "print undefinedy", ("error", "undefined variable: undefinedy")),
    ("bash", "exit 3", ("exit status", "3")),
    ("zsh", "false", ("exit status", "1")),
    ("zsh", "true", None),
    ("SoS", '%with octave\nerror("lent")', ("error", "lent")),
    ("SoS", '%use octave\nerror("switched")', ("error", "switched")),
    ("SoS", "print('later')", None),
)


def test_cells_of_sos_fail_as_in_the_kernel_of_their_language(tmp_path: Path) -> None:
    case = next(case for case in _CASES if case.kernel == "sos")
    for name in ("octave", "gnuplot", "bash", "zsh"):
        require_kernel(name)
    rows = [["SoS", "sos", "", ""], *([name, name, name, ""] for name in ("octave", "gnuplot", "bash", "zsh"))]
    kernels = [kernel for kernel, _cell, _error in _SOS_CELLS]

    def choose_kernels(document: Any) -> None:
        document["metadata"]["sos"] = {"kernels": rows, "version": "0.24.7"}
        for cell, kernel in zip(document["cells"], kernels, strict=True):
            cell["metadata"]["kernel"] = kernel

    cells = [cell for _kernel, cell, _error in _SOS_CELLS]
    expected = [[error] if error else [] for _kernel, _cell, error in _SOS_CELLS]
    for attempt in range(3):  # on a busy machine, SoS 0.24.7 loses output of its kernels, also answers to packmill
        folder = tmp_path / str(attempt)
        folder.mkdir()
        done = run(folder, case, *cells, may_fail=range(len(cells)), change=choose_kernels)
        assert done.returncode == 0, done.stderr
        document = json.loads((folder / "out.ipynb").read_text())
        found = [errors_of(cell) for cell in document["cells"]]
        if found == expected:
            break
    assert found == expected
    assert "later" in text_of(document["cells"][-1])


def test_the_engine_of_papermill_fails_as_well(tmp_path: Path) -> None:
    folder = require_kernel("octave")
    write_notebook(tmp_path / "in.ipynb", 'error("boom")', language="octave", kernel="octave", tags=())
    command = [sys.executable, "-m", "papermill", "--engine", "packmill", "--no-progress-bar", "in.ipynb", "out.ipynb"]

    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "JUPYTER_PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    assert done.stderr.rstrip().endswith("error: boom")
