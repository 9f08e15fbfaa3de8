"""Parameters and SoS's cells in real kernels: what is given is what the kernel has, in its own types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import pytest
from real_kernels import data_folder, require_kernel
from support import write_notebook

pytestmark = pytest.mark.slow

_TEXT = 'it\'s "q" `date` $x ${y} $(z) %d \\n é中😀 # c // ; -- !x @m ?'
_CONTROL = "a\nb\tc\rd\x01e\x85f\u2028g"
_GIVEN: dict[str, Any] = {
    "s": _TEXT,
    "c": _CONTROL,
    "l": "é'" * 3000,
    "e": "",
    "n": 3,
    "big": 2**53 + 1,
    "f": 0.1,
    "w": 2.0,
    "i": -inf,
    "t": True,
    "xs": [1, 2.5, -3],
    "ws": ["a b", "it's"],
    "d": {"a b": 7},
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A parameters cell, and cells that print values with the text of each."""

    kernel: str
    language: str
    parameters: str
    shown: dict[str, str]
    without: tuple[str, ...] = ()


def _hex(text: str) -> str:
    return text.encode().hex()


_CASES = (
    Case(
        kernel="octave",
        language="octave",
        parameters="% hello\ns = ''; c = ''; l = ''; e = 'x'; n = 1; big = 1; f = 1; w = 1; i = 1; t = false;\n"
        "xs = [1]; ws = {'x'}; d = containers.Map();",
        shown={
            'printf("%02x", s)': _hex(_TEXT),
            'printf("%02x", c)': _hex(_CONTROL),
            'printf("%d %d", numel(l), strcmp(l, repmat("é\'", 1, 3000)))': "9000 1",
            'printf("%d %s", isempty(e), class(e))': "1 char",
            'printf("%d %s", n, class(n))': "3 double",
            "disp(big)": "9007199254740993",
            'printf("%.17g %g %g", f, w, i)': "0.10000000000000001 2 -Inf",
            'printf("%s %d", class(t), t)': "logical 1",
            'printf("%s %g", class(xs), sum(xs))': "double 0.5",
            'printf("%s ", ws{:})': "a b it's",
            'printf("%d", d("a b"))': "7",
        },
    ),
    Case(
        kernel="gnuplot",
        language="gnuplot",
        parameters="# hello\ns = ''\ne = 'x'\nc = ''\nn = 1\nbig = 1\nf = 1.5\nw = 1.5\ni = 1\nt = 0\n"
        "array xs[1] = [1]\narray ws[1] = ['x']",
        shown={
            "print s": _TEXT,
            "print strlen(c), strlen(e)": f"{len(_CONTROL.encode())} 0",
            "print n, 7 / n, 7 / w": "3 2 3.5",
            "print big": "9007199254740993",
            "print f, i, t": "0.1 -inf.0 1",
            "print xs[1] + xs[2] + xs[3], |xs|": "0.5 3",
            "print ws[1], ws[2]": "a b it's",
        },
        without=("l", "d"),
    ),
    Case(
        kernel="calysto_scheme",
        language="scheme",
        parameters='; hello\n(define s "") (define c "") (define l "") (define e "x") (define n 1) (define big 1)\n'
        "(define f 1.5) (define w 1.5) (define i 1) (define t #f) (define xs '(1)) (define ws '(\"x\")) (define d '())",
        shown={
            "(display s)": _TEXT,
            "(string-length c)": str(len(_CONTROL)),
            "(string-length l)": "6000",
            "(string-length e)": "0",
            "(list n big f w i t)": "(3 9007199254740993 0.1 2.0 -inf #t)",
            "(apply + xs)": "0.5",
            "ws": '("a b" "it\'s")',
            "d": '(("a b" . 7))',
        },
    ),
    Case(
        kernel="tslab",
        language="typescript",
        parameters="// hello\nconst s: string = ''; let c = ''; var l = '', e = 'x';\nconst n: number = 1, t = false;\n"
        "let big: bigint | number = 1;\nconst f = 1.5; const w = 1.5; let i = 1; const xs: number[] = [1];\n"
        "const ws: Array<string> = []; const d: Record<string, number> = {};",
        shown={
            "console.log(Buffer.from(s).toString('hex'))": _hex(_TEXT),
            "console.log(Buffer.from(c).toString('hex'))": _hex(_CONTROL),
            "console.log(l.length, e.length)": "6000 0",
            "console.log(n + 1, f, w, i, t)": "4 0.1 2 -Infinity true",
            "console.log(String(big))": "9007199254740993",
            "console.log(xs.reduce((a, b) => a + b), ws.join('|'), d['a b'])": "0.5 a b|it's 7",
        },
    ),
    Case(
        kernel="zsh",
        language="zsh",
        parameters="# hello\ns=''; c=''; l=''; e=x; n=1; big=1; f=1; w=1; i=1; t=false\n"
        "xs=(1); ws=(x); typeset -A d=(k v)",
        shown={
            'print -rn -- "$s" | od -An -v -tx1 | tr -d " \\n"; echo': _hex(_TEXT),
            'print -rn -- "$c" | od -An -v -tx1 | tr -d " \\n"; echo': _hex(_CONTROL),
            'echo ${#l} "[$e]"': "6000 []",
            "echo $n $big $f $w $i $t": "3 9007199254740993 0.1 2.0 -inf true",
            "echo ${#xs} $((xs[1] + xs[2] + xs[3]))": "3 0.5",
            "print -rl -- $ws": "a b\nit's",
            "echo ${d[a b]}": "7",
        },
    ),
)


def _run(folder: Path, kernel: str, *command: str) -> dict[str, Any]:
    variables = {**os.environ, "JUPYTER_PATH": str(require_kernel(kernel)), "HOME": str(folder), "LOGNAME": "ada"}
    variables["PATH"] = f"{data_folder.parents[1] / 'bin'}{os.pathsep}{variables['PATH']}"
    node = data_folder.parents[1] / "node" / "node_modules"
    if node.exists():
        (folder / "node_modules").symlink_to(node)
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    executed: dict[str, Any] = json.loads((folder / "out.ipynb").read_text())
    return executed


def _texts(document: dict[str, Any]) -> list[str]:
    outputs = [[one for one in cell["outputs"] if "Failed to read" not in str(one)] for cell in document["cells"]]
    parts = [["".join(one.get("text") or one["data"]["text/plain"]) for one in found] for found in outputs]
    return ["".join(found).replace("\r\n", "\n").strip() for found in parts]


def _given(case: Case) -> dict[str, Any]:
    return {name: value for name, value in _GIVEN.items() if name not in case.without}


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.kernel)
def test_a_kernel_has_what_was_given(case: Case, tmp_path: Path) -> None:
    cells = (case.parameters, *case.shown)
    write_notebook(tmp_path / "in.ipynb", *cells, language=case.language, kernel=case.kernel)
    (tmp_path / "values.json").write_text(json.dumps(_given(case)).replace("-Infinity", "-.inf"))
    options = ("in.ipynb", "out.ipynb", "-f", "values.json", "--execution-timeout", "60")

    document = _run(tmp_path, case.kernel, "generator.runner", "run", *options)

    assert dict(zip(case.shown, _texts(document)[-len(case.shown) :], strict=True)) == case.shown


def test_the_engine_of_papermill_gives_the_same(tmp_path: Path) -> None:
    write_notebook(tmp_path / "in.ipynb", "const n = 1;", "console.log(n)", language="typescript", kernel="tslab")
    options = ("--engine", "packmill", "--no-progress-bar", "in.ipynb", "out.ipynb", "-p", "n", "4")

    document = _run(tmp_path, "tslab", "papermill", *options)

    assert _texts(document)[-1] == "4"


_SOS_CELLS = (
    ("SoS", "n = 1"),
    ("SoS", "print(n, name)"),
    ("Bash", "x=5; echo hello; echo two"),
    ("Bash", "echo $x"),
    ("Oct", "disp(4)"),
    (None, "print('default', n)"),
    ("SoS", "%use Bash\necho $x"),
)


def _sos_notebook(folder: Path, *cells: tuple[str | None, str]) -> None:
    path = write_notebook(folder / "in.ipynb", *(source for _, source in cells), language="sos", kernel="sos")
    document = json.loads(path.read_text())
    rows = [["SoS", "sos", "", ""], ["Bash", "bash", "Bash", ""], ["Oct", "octave", "Octave", ""]]
    document["metadata"]["sos"] = {"kernels": rows}
    for cell, (kernel, _) in zip(document["cells"], cells, strict=True):
        cell["metadata"].update({"kernel": kernel} if kernel else {})
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("command", [("generator.runner", "run"), ("papermill", "--engine", "packmill")], ids=" ".join)
def test_each_cell_of_a_sos_notebook_runs_in_its_language(tmp_path: Path, command: tuple[str, ...]) -> None:
    _sos_notebook(tmp_path, ("SoS", "n = 1\nname = ''"), *_SOS_CELLS[1:])

    document = _run(tmp_path, "sos", *command, "in.ipynb", "out.ipynb", "-p", "n", "7", "-p", "name", "it's")

    assert _texts(document)[2:] == ["7 it's", "hello\ntwo", "5", "4", "default 7", "5"]
    assert document["cells"][1]["metadata"]["kernel"] == "SoS"


def test_the_parameters_cell_of_a_sos_notebook_may_have_another_language(tmp_path: Path) -> None:
    _sos_notebook(tmp_path, ("Oct", "name = 'x';"), ("Oct", "disp(name), disp(class(name))"))

    document = _run(tmp_path, "sos", "generator.runner", "run", "in.ipynb", "out.ipynb", "-p", "name", "it's")

    assert _texts(document)[2] == "it's\nchar"
    assert document["cells"][1]["metadata"]["kernel"] == "Oct"
