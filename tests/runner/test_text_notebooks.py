"""Text notebooks run as they are; ``printed.txt`` of a case is what the cells print with ``inputs.json``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from support import Folder
from text_cases import install_r_kernel, r_cases, text_cases, text_notebook

pytestmark = pytest.mark.slow


_run = [case for case in text_cases if case.name in ("jupytext-percent", "quarto", "rmarkdown")]


@pytest.mark.parametrize("case", _run, ids=lambda path: path.name)
def test_a_run_uses_the_values(case: Path, tmp_path: Path, golden: Callable[[Path, str], None]) -> None:
    shutil.copytree(case, tmp_path / "in")
    environment = install_r_kernel(tmp_path / "jupyter") if case.name in r_cases else dict(os.environ)
    name = text_notebook(case).name
    words = ("--process", name, "--repository", ".", "--output", "o", "--inputs", "inputs.json")

    done = Folder(tmp_path / "in").run(*words, env=environment)

    assert done.returncode == 0, done.stderr
    golden(case / "printed.txt", Folder(tmp_path / "in").texts("o/in.ipynb"))
    executed = nbformat.read(tmp_path / "in" / "o" / "in.ipynb", as_version=4)
    nbformat.validate(executed)
    assert not {key for cell in executed.cells for key in cell.metadata if key.startswith("packmill")}
    assert "t0k3n" not in (tmp_path / "in" / "o" / "in.ipynb").read_text()
    declared = json.loads((tmp_path / "in" / "cwl.output.json").read_text())
    assert declared["output_nb"]["path"].endswith("/in.ipynb")


def test_a_text_notebook_runs_from_anywhere_and_is_never_overwritten(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    (tmp_path / "in.qmd").write_text("```{python}\n#| tags: [parameters]\nn = 3\n```\n\n```{python}\nprint(n)\n```\n")

    done = here.run("in.qmd", "out.ipynb", "-p", "n", "7")
    shown = here.run("in.qmd", "--help-notebook")
    refused = here.run("in.qmd", "in.qmd")
    by_engine = here.run("in.qmd", "other.ipynb", "--engine", "nbclient")

    assert (done.returncode, here.texts()) == (0, "7\n")
    assert "n: float (default: 3)" in shown.stdout
    assert (refused.returncode, by_engine.returncode) == (2, 2)
    assert "in.qmd: the executed notebook is an .ipynb; write OUT as in.ipynb" in refused.stderr
    assert "in.qmd: --engine nbclient does not read text notebooks" in by_engine.stderr
    assert (tmp_path / "in.qmd").read_text().startswith("```{python}")


def test_a_plain_notebook_is_read_without_a_reader_of_text() -> None:
    code = (
        "import sys\n"
        "import generator.runner.packaged.run, generator.process.process\n"
        "readers = ('jupytext', 'yaml', 'generator.notebook.text_formats.')\n"
        "print([one for one in sys.modules if one.startswith(readers)])"
    )

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert printed == "[]\n"
