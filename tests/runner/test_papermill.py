"""Compatibility with papermill: both programs get the same notebooks and options, and their results are compared.

papermill's own notebooks come with its package. What may differ is taken out before: times, ids, process numbers, paths
of this machine, and the pieces that a stream arrived in.

What papermill does is recorded for each of its versions and each Python in ``cases/papermill``. It runs anew with
``--live-papermill`` or where there is no record, and ``--regenerate`` writes the records.
"""

from __future__ import annotations

import base64
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import forked_programs
import pytest
from forked_programs import RUNNER
from support import cases, notebook

pytestmark = pytest.mark.slow

_RECORDS = cases / "papermill" / f"{version('papermill')}-python{sys.version_info.major}.{sys.version_info.minor}"
_TIMES = {"start_time", "end_time", "duration", "execution", "id", "output_path", "input_path"}
_YAML = "{when: 2020-01-01, deep: [1, {k: null}], text: 'yes', flag: yes, number: 1.5}"


@dataclass(frozen=True)
class Case:
    """A notebook (papermill's, or a list of cells), papermill's options, and options of the runner only."""

    notebook: str | tuple[str, ...]
    options: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    output: str | None = "out.ipynb"
    fails: bool = False


def case(source: str | tuple[str, ...], *options: str, **more: Any) -> Case:
    return Case(source, options, **more)


_UNKNOWN = ("--allow-unknown",)
CASES = {
    "no-parameters": case("simple_execute.ipynb"),
    "text": case("simple_execute.ipynb", "-p", "msg", "Hello"),
    "text-with-quotes": case("simple_execute.ipynb", "-p", "msg", 'it\'s "so" \\ \n größe 🛰'),
    "looks-like-an-option": case("simple_execute.ipynb", "-p", "msg", "-k"),
    "whole-number": case("simple_execute.ipynb", "-p", "msg", "007"),
    "negative-number": case("simple_execute.ipynb", "--parameters", "msg", "-1"),
    "number": case("simple_execute.ipynb", "-p", "msg", "1e3"),
    "not-a-number": case("simple_execute.ipynb", "-p", "msg", "nan"),
    "infinite": case("simple_execute.ipynb", "-p", "msg", "-inf"),
    "true": case("simple_execute.ipynb", "-p", "msg", "True"),
    "none": case("simple_execute.ipynb", "-p", "msg", "None"),
    "raw": case("simple_execute.ipynb", "-r", "msg", "1", "--parameters_raw", "msg", "True"),
    "yaml": case("simple_execute.ipynb", "-y", f"msg: {_YAML}"),
    "yaml-file": case("simple_execute.ipynb", "-f", "parameters.yaml"),
    "json-file": case("simple_execute.ipynb", "--parameters_file", "parameters.json"),
    "base64": case("simple_execute.ipynb", "-b", base64.b64encode(b"msg: [1, x]").decode()),
    "precedence": case(
        "simple_execute.ipynb", "-r", "msg", "raw", "-p", "msg", "word", "-y", "msg: yaml", "-f", "parameters.yaml"
    ),
    "several": case(("a = 1\nb = 'x'\nc = None", "print(a, b, c)"), "-p", "a", "2", "-p", "c", "3"),
    "empty-yaml": case("simple_execute.ipynb", "-y", ""),
    "inject-paths": case("simple_execute.ipynb", "--inject-paths"),
    "inject-input-path": case("simple_execute.ipynb", "--inject-input-path", "-p", "msg", "x"),
    "inject-output-path": case("simple_execute.ipynb", "--inject-output-path"),
    "prepare-only": case("simple_execute.ipynb", "--prepare-only", "-p", "msg", "x"),
    "prepare-only-without-parameters": case("simple_execute.ipynb", "--prepare-only"),
    "kernel": case("blank-vscode.ipynb", "-k", "python3"),
    "language": case("simple_execute.ipynb", "-k", "python3", "-l", "python", "-p", "msg", "x"),
    "cwd": case("read_check.ipynb", "--cwd", "elsewhere"),
    "cwd-that-does-not-fit": case("read_check.ipynb", fails=True),
    "report-mode": case("report_mode_test.ipynb", "--report-mode", "-p", "a", "5"),
    "report-mode-without-parameters": case("report_mode_test.ipynb", "--report-mode"),
    "log-output": case("test_logging.ipynb", "--log-output", fails=True),
    "stdout-and-stderr-file": case(
        ("import sys\nprint('one')\nprint('two', file=sys.stderr)", "print('three')\n'four'"),
        "--stdout-file",
        "o.txt",
        "--stderr-file",
        "e.txt",
    ),
    "no-saves": case("simple_execute.ipynb", "--no-request-save-on-cell-execute", "--autosave-cell-every", "0"),
    "no-progress": case("simple_execute.ipynb", "--no-progress-bar", "--log-level", "ERROR"),
    "timeouts": case("simple_execute.ipynb", "--start-timeout", "50", "--execution-timeout", "50"),
    "output-path-with-a-parameter": case("simple_execute.ipynb", "-p", "msg", "x", output="out-{msg}.ipynb"),
    "engine-of-papermill": case("simple_execute.ipynb", "--engine", "nbclient", "-p", "msg", "x"),
    "unknown-parameter": case("simple_execute.ipynb", "-p", "nobody", "1", ours=_UNKNOWN),
    "no-parameters-cell": case("no_parameters.ipynb", "-p", "msg", "x", ours=_UNKNOWN),
    "old-notebook": case("nb_version_4.4.ipynb", "-p", "var", "3"),
    "complex-parameters": case("complex_parameters.ipynb", "-y", "{a: 1.5, b: [x], c: []}", ours=_UNKNOWN, fails=True),
    "injected-before": case("result_no_exec.ipynb", "-p", "foo", "2"),
    "outputs-cleared": case("result_no_exec.ipynb"),
    "broken": case("broken.ipynb", fails=True),
    "markers-of-an-earlier-failure": case("broken1.ipynb", fails=True),
    "syntax-error": case("broken2.ipynb", fails=True),
    "unknown-magic": case("line_magic_error.ipynb", fails=True),
    "sys-exit": case("sysexit.ipynb"),
    "sys-exit-0": case("sysexit0.ipynb"),
    "sys-exit-1": case("sysexit1.ipynb", fails=True),
    "system-exit": case("systemexit.ipynb"),
    "without-language": case("test_notebooknode_io.ipynb"),
    "displays": case(
        (
            "from IPython.display import *",
            "h = display('a', display_id=True)\nprint('between')\nh.update('b')\n1 + 1",
            "h.update(HTML('<b>c</b>'))\nSVG('<svg xmlns=\"http://www.w3.org/2000/svg\"><g/></svg>')",
            "print('gone')\nclear_output()\nprint('stays')",
            "print('gone')\nclear_output(wait=True)\nprint('stays')",
            "import sys\nprint('out')\nprint('err', file=sys.stderr)\nJSON({'a': [1]})",
            "from pathlib import Path\nLatex('$x$'), Path('a')",
        )
    ),
    "widgets": case(
        (
            "import ipywidgets as w\nfrom IPython.display import display",
            "slider = w.IntSlider(value=3)\nslider",
            "out = w.Output()\ndisplay(out)\nwith out:\n    print('inside')\n    display('shown')\nprint('outside')",
            "with out:\n    print('more')\nslider.value = 5\nlen(out.outputs)",
        )
    ),
    "shell-lines": case(("!echo one; echo two >&2", "%%bash\necho three", "x = !echo four\nx")),
    "failing-shell-cell": case(("%%bash\necho before; exit 3", "print('not reached')"), fails=True),
    "exception-group": case(("raise ExceptionGroup('several', [ValueError(1)])",), fails=True),
    "asks-for-input": case(("input('name? ')",), fails=True),
    "top-level-await": case(("import asyncio\nawait asyncio.sleep(0.01)\nprint('awake')",)),
}
if sys.version_info < (3, 11):
    del CASES["exception-group"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parameters.yaml").write_text(f"msg: {_YAML}\n")
    (tmp_path / "parameters.json").write_text('{"msg": {"deep": [1, null, true]}}')
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "check.txt").write_text("x")
    return tmp_path


def write_source(source: str | tuple[str, ...], path: Path) -> None:
    if isinstance(source, str):
        import papermill

        shutil.copy(Path(papermill.__file__).parent / "tests" / "notebooks" / source, path)
    else:
        path.write_text(json.dumps(notebook(*source)))


def ended(program: list[str], words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run papermill and return its exit; it sometimes hangs waiting for a message and gets a second try."""
    options = {"cwd": folder, "capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "check": False}
    run = partial(subprocess.run, [*program, *words], **options)
    with suppress(subprocess.TimeoutExpired):
        return run(timeout=90)
    return run(timeout=180)


def ended_ours(options: Sequence[str], words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run packmill's runner and return its exit."""
    return forked_programs.run(RUNNER, "run", *options, *words, cwd=folder, timeout=180)


Program = Callable[[list[str], Path], subprocess.CompletedProcess[str]]
"""Runs a command line in a folder."""


def run(program: Program, one: Case, folder: Path) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return the exit code, the executed notebook and other written files."""
    write_source(one.notebook, folder / "in.ipynb")
    before = set(folder.iterdir())
    done = program(["in.ipynb", *([one.output] if one.output else []), *one.options], folder)
    written = {path.name: path.read_text() for path in sorted(set(folder.iterdir()) - before)}
    for name in written:
        (folder / name).unlink()
    executed = next((text for name, text in written.items() if name.endswith(".ipynb")), "")
    assert executed, done.stderr
    name = next(name for name in written if name.endswith(".ipynb"))
    return done.returncode, json.loads(executed), {**written, name: ""}


def plain(value: Any) -> Any:
    """Remove values that differ between two runs of the same program."""
    if isinstance(value, dict):
        if value.get("output_type") == "stream":
            return {**value, "text": plain("".join(value["text"]))}
        kept = {key: plain(item) for key, item in value.items() if key not in _TIMES}
        if "outputs" in kept:
            kept["outputs"] = joined(kept["outputs"])
        return kept
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        value = re.sub(rf"{re.escape(tempfile.gettempdir())}/ipykernel_\d+/\d+", "/tmp/ipykernel", value)
        return re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{32}\b|\x1b\[[0-9;]*m", "", value)
    return value


def joined(outputs: list[Any]) -> list[Any]:
    """Merge streams into one text of stdout and one of stderr between two other outputs."""
    result: list[Any] = []
    for output in outputs:
        if output.get("output_type") != "stream":
            result.append(output)
            continue
        start = len(result)
        while start and result[start - 1].get("output_type") == "stream":
            start -= 1
        same = [other for other in result[start:] if other["name"] == output["name"]]
        if same:
            same[0]["text"] += output["text"]
        else:
            result.append(dict(output))
            result[start:] = sorted(result[start:], key=lambda one: one["name"] != "stdout")
    return result


def without_widget_ids(executed: dict[str, Any]) -> dict[str, Any]:
    """Convert widgets to a list, since their ids are random."""
    widgets = executed["metadata"].get("widgets", {}).get("application/vnd.jupyter.widget-state+json")
    if not widgets:
        return executed
    ids = "|".join(widgets["state"])
    widgets["state"] = sorted(re.sub(ids, "", json.dumps(model, sort_keys=True)) for model in widgets["state"].values())
    document: dict[str, Any] = json.loads(re.sub(ids, "", json.dumps(executed)))
    return document


def observed(program: Program, one: Case, folder: Path) -> dict[str, Any]:
    """What a program does with a case, as a record holds it."""
    code, executed, files = run(program, one, folder)
    shown: dict[str, Any] = plain(without_widget_ids(executed))
    language = shown["metadata"].get("language_info", {})
    if language.get("version") == platform.python_version():
        language["version"] = "<python>"
    text = json.dumps({"fails": code != 0, "notebook": shown, "files": files}, sort_keys=True)
    for path, name in ((folder, "<folder>"), (sys.prefix, "<environment>"), (sys.base_prefix, "<python>")):
        text = text.replace(str(path), name)
    return read_record(text)


def read_record(text: str) -> dict[str, Any]:
    """Read a record; papermill writes NaN and Infinity, which JSON lacks, packmill text."""
    document: dict[str, Any] = json.loads(text, parse_constant=lambda word: str(float(word)))
    return document


def record_of(name: str) -> dict[str, Any] | None:
    """The record of a case; None for a version of papermill or Python without records."""
    return read_record((_RECORDS / f"{name}.json").read_text()) if _RECORDS.is_dir() else None


@pytest.mark.parametrize("name", CASES)
def test_both_programs_execute_alike(name: str, folder: Path, request: pytest.FixtureRequest) -> None:
    one, writes = CASES[name], request.config.getoption("--regenerate")
    theirs = None if writes or request.config.getoption("--live-papermill") else record_of(name)
    if theirs is None:
        theirs = observed(partial(ended, [str(Path(sys.executable).with_name("papermill"))]), one, folder)
    if writes:
        _RECORDS.mkdir(parents=True, exist_ok=True)
        (_RECORDS / f"{name}.json").write_text(json.dumps(theirs, indent=1, sort_keys=True, ensure_ascii=False) + "\n")

    ours = observed(partial(ended_ours, one.ours), one, folder)

    assert (ours["fails"], theirs["fails"]) == (one.fails, one.fails)
    assert ours["notebook"] == theirs["notebook"]
    assert ours["files"] == theirs["files"]


@pytest.mark.parametrize("program", [["papermill"], ["packmill-runner", "run"]])
def test_pipes_on_both_sides(program: list[str], folder: Path) -> None:
    write_source("simple_execute.ipynb", folder / "in.ipynb")
    program = [str(Path(sys.executable).with_name(program[0])), *program[1:]]
    done = subprocess.run(
        [*program, "-p", "msg", "piped"],
        input=(folder / "in.ipynb").read_text(),
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "piped\n" in json.loads(done.stdout)["cells"][2]["outputs"][0]["text"]


def test_every_option_of_papermill_is_here() -> None:
    from papermill.cli import papermill

    from generator.runner.cli import _parser

    ours = {option for action in _parser()._subparsers._group_actions[0].choices["run"]._actions for option in action.option_strings}  # type: ignore[union-attr]  # fmt: skip # noqa: E501
    theirs = {word for parameter in papermill.params for word in (*parameter.opts, *parameter.secondary_opts)}

    assert {word for word in theirs if word.startswith("-")} - ours == set()


def test_the_execution_is_an_engine_of_papermill_s(folder: Path) -> None:
    write_source(("n = 1", "print(n)", "import os\nos.environ['JPY_PARENT_PID'] != ''"), folder / "in.ipynb")
    command = [sys.executable, "-m", "papermill", "--engine", "packmill", "in.ipynb", "out.ipynb", "-p", "n", "5"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    executed = json.loads((folder / "out.ipynb").read_text())
    assert executed["cells"][2]["outputs"][0]["text"] == ["5\n"]
    assert executed["cells"][2]["metadata"]["papermill"]["status"] == "completed"
    assert executed["metadata"]["language_info"]["name"] == "python"


@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"name": 5}},
        {"kernelspec": {"name": "missing", "language": None}, "language_info": {"name": [1]}},
        {"kernelspec": {"name": "python3", "language": 5}},
    ],
    ids=str,
)
def test_the_engine_takes_names_of_kernels_and_languages_that_are_text(folder: Path, metadata: object) -> None:
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "6 * 7", "outputs": [], "execution_count": None}
    written = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": [cell]}
    (folder / "in.ipynb").write_text(json.dumps(written))
    command = [sys.executable, "-m", "papermill", "--engine", "packmill", "in.ipynb", "out.ipynb"]

    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stderr
    assert '"42"' in (folder / "out.ipynb").read_text()


def test_the_engine_hides_ipykernel_s_warning_of_tcp(folder: Path) -> None:
    """A kernel behind a program of its own gets TCP; packmill signs its messages."""
    spec = folder / "jupyter" / "kernels" / "wrapped"
    spec.mkdir(parents=True)
    start = spec / "start"
    start.write_text(f'#!/bin/sh\nexec {sys.executable} -m ipykernel_launcher -f "$1"\n')
    start.chmod(0o755)
    argv = [str(start), "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "x", "language": "python"}))
    write_source(("n = 1", "import os\nos.write(2, b'own\\n')"), folder / "in.ipynb")
    command = [sys.executable, "-m", "papermill", "--engine", "packmill", "-k", "wrapped", "in.ipynb", "out.ipynb"]
    environment = {**os.environ, "JUPYTER_PATH": str(spec.parents[1])}

    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "over TCP" not in done.stderr


def test_the_engine_takes_an_output_that_arrives_after_its_cell(folder: Path) -> None:
    late = "async def work():\n    await asyncio.sleep(0.2)\n    print('late')\ntask = asyncio.create_task(work())"
    write_source(("import asyncio", late, "await asyncio.sleep(1)\nprint('end')"), folder / "in.ipynb")
    command = [sys.executable, "-m", "papermill", "--engine", "packmill", "in.ipynb", "out.ipynb"]

    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    cells = json.loads((folder / "out.ipynb").read_text())["cells"]
    assert "late" in json.dumps(cells)
    assert "".join(cells[2]["outputs"][-1]["text"]).endswith("end\n")


def test_a_failure_in_the_engine_is_papermill_s_failure(folder: Path) -> None:
    write_source(("1 / 0", "print('not reached')"), folder / "in.ipynb")
    command = [sys.executable, "-m", "papermill", "--engine", "packmill", "in.ipynb", "out.ipynb"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    cells = json.loads((folder / "out.ipynb").read_text())["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "markdown", "code", "code"]
    assert cells[2]["metadata"]["papermill"]["status"] == "failed"


def test_the_engine_writes_results_for_programs(folder: Path) -> None:
    glue = "from packmill import glue\nglue('n', n)"
    program = (
        "import papermill, sys\n"
        "papermill.execute_notebook('in.ipynb', 'out.ipynb', {'n': 5}, engine_name='packmill', results='deep/results')"
    )
    expected = {
        "print(1)": (0, "succeeded", None, None),
        "1 / 0": (1, "failed", "cell-error", "cell 3 failed: ZeroDivisionError: division by zero"),
        "import os\nos._exit(3)": (1, "failed", "kernel-died", "Kernel died"),
        "glue('statusCode', 404)": (1, "failed", "status-code", "the notebook ended with statusCode 404"),
    }
    for last, (code, state, reason, error) in expected.items():
        write_source(("n = 1", glue, last), folder / "in.ipynb")

        done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)

        assert done.returncode == code, done.stderr
        result = json.loads((folder / "deep" / "results" / "result.json").read_text())
        assert (result["state"], result["reason"], result["error"]) == (state, reason, error)
        assert result["notebook"] == "../../out.ipynb"
        assert result["parameters"] == {"n": 5}
        assert [cell["cell"] for cell in result["cells"]][:3] == [1, None, 2]
        assert json.loads((folder / "deep" / "results" / "scraps.json").read_text())["n"] == 5
