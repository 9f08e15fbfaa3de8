"""The table of kernels in docs/runner.md: replies of the kernels that tests run, and the traits of all known ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from real_kernels import data_folder, require_kernel
from support import here

from generator.runner.kernels.messages import ExecuteRequest, Message
from generator.runner.kernels.process import KernelProcess, new_connection
from generator.runner.kernels.session import Session
from generator.runner.kernels.specs import find_kernels
from generator.runner.kernels.traits import _BY_IMPLEMENTATION, Traits, When, find_traits

pytestmark = pytest.mark.slow

_PAGE = here.parent / "docs" / "runner.md"
_BEGIN = "<!-- kernels: made by tests/runner/test_kernel_table.py -->\n"
_END = "<!-- kernels: end -->"
_OBSERVED = {
    "bash": "exit 3",
    "calysto_scheme": "(car 1)",
    "gnuplot": "print undefined_name",
    "octave": 'error("boom")',
    "sos": "1 / 0",
    "tslab": 'throw new Error("boom")',
    "xpython": "1 / 0",
    "zsh": "false",
}
_NAMES = {
    "all": ("All the Kernels", ""),
    "bash_kernel": ("bash_kernel", "bash"),
    "deno kernel": ("Deno", "TypeScript"),
    "fish-kernel": ("fish-kernel", "fish"),
    "gnuplot kernel": ("gnuplot_kernel", "gnuplot"),
    "ijavascript": ("IJavascript", "JavaScript"),
    "ilua": ("ILua", "Lua"),
    "irkernel": ("IRkernel", "R"),
    "jjava": ("JJava", "Java"),
    "jslab": ("tslab", "JavaScript"),
    "jupyter_c_kernel": ("jupyter-c-kernel", "C"),
    "macaulay2_jupyter_kernel": ("macaulay2-jupyter-kernel", "Macaulay2"),
    "octave kernel": ("octave_kernel", "Octave"),
    "prolog": ("Calysto Prolog", "Prolog"),
    "scheme": ("Calysto Scheme", "Scheme"),
    "sos": ("sos-notebook", "SoS"),
    "tslab": ("tslab", "TypeScript"),
    "xeus-python": ("xeus-python", "Python"),
    "zshkernel": ("zsh-jupyter-kernel", "zsh"),
}


def observe(name: str, cell: str, folder: Path) -> tuple[dict[str, Any], str]:
    """Start a kernel, run a failing cell, and return the kernel's description and its reply."""
    folder.mkdir()
    kernel = next(one for one in find_kernels(os.environ) if one.name == name)
    connection = new_connection(kernel, folder)
    messages: list[Message] = []
    with (folder / "log").open("wb") as log:
        process = KernelProcess(kernel, connection=connection, runtime=folder, cwd=folder, log=log.fileno())
    session = Session(process)
    try:
        info = session.wait_until_ready(180)
        reply = session.execute(ExecuteRequest(code=cell, take=messages.append)).content
    finally:
        session.end()
    shows = any(message.kind == "error" for message in messages)
    said = f"`{reply['status']}`" + ("" if reply["status"] == "ok" or shows else ", no error output")
    return info, said


_QUESTIONS = {
    When.ALWAYS: "question after each cell",
    When.MARKED: "question",
    When.EXIT: "question after `quit`",
}


def describe(traits: Traits) -> str:
    """List where the runner notices a failed cell."""
    places = ["reply", "output"] if traits.marks else ["reply"]
    return ", ".join([*places, _QUESTIONS[traits.question.when]] if traits.question else places)


def test_the_table_of_kernels_is_true(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_PATH", str(data_folder))
    monkeypatch.setenv("PATH", f"{data_folder.parents[1] / 'bin'}{os.pathsep}{os.environ['PATH']}")
    for name in _OBSERVED:
        require_kernel(name)
    seen = {}
    for name, cell in _OBSERVED.items():
        info, reply = observe(name, cell, tmp_path / name)
        seen[info["implementation"].lower()] = (info, reply, name)
    assert set(_NAMES) == {*_BY_IMPLEMENTATION, *seen}

    rows = ["| kernel | language | reply to a failed cell | noticed by |", "|---|---|---|---|"]
    for key, (name, language) in sorted(_NAMES.items(), key=lambda one: one[1][0].lower()):
        info, reply, tested = seen.get(key, ({}, "", ""))
        traits = find_traits({"implementation": key, **info})
        cell = f" to `{_OBSERVED[tested]}`" if tested else ""
        rows.append(f"| {name} | {language} | {reply}{cell} | {describe(traits)} |")
    table = "\n" + "\n".join(rows) + "\n\n"

    before, begin, rest = _PAGE.read_text().partition(_BEGIN)
    found, end, after = rest.partition(_END)
    if request.config.getoption("--regenerate"):
        _PAGE.write_text(before + begin + table + end + after)
        return
    assert found == table, "run pytest --regenerate tests/runner/test_kernel_table.py"
