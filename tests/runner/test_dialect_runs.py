"""The values of a run reach notebooks in the dialects of other tools; ``printed.txt`` is what the cells print."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dialect_cases import dialect_notebook
from support import Folder, folders

pytestmark = pytest.mark.slow


def prepare(case: Path, folder: Path) -> Folder:
    """Copy a case and write its notebook."""
    shutil.copytree(case, folder, dirs_exist_ok=True)
    (folder / "in.ipynb").write_text(json.dumps(dialect_notebook(case)), encoding="utf-8")
    (folder / "other.csv").write_text("from the caller\n", encoding="utf-8")
    return Folder(folder)


@pytest.mark.parametrize("case", folders("dialects"), ids=lambda path: path.name)
def test_a_run_uses_the_values(case: Path, tmp_path: Path, golden: Callable[[Path, str], None]) -> None:
    here = prepare(case, tmp_path)

    done = here.run("--process", "in.ipynb", "--repository", ".", "--output", "o", "--inputs", "inputs.json")

    assert done.returncode == 0, done.stderr
    golden(case / "printed.txt", here.texts("o/in.ipynb"))
    for name, glob in json.loads((case / "peer.json").read_text(encoding="utf-8"))["outputs"].items():
        assert (tmp_path / "o" / glob).is_file(), name


@pytest.mark.parametrize("case", folders("dialects"), ids=lambda path: path.name)
def test_a_run_without_values_has_the_defaults(case: Path, tmp_path: Path, golden: Callable[[Path, str], None]) -> None:
    here = prepare(case, tmp_path)

    done = here.run("--process", "in.ipynb", "--repository", ".", "--output", "o")

    assert done.returncode == 0, done.stderr
    golden(case / "printed-defaults.txt", here.texts("o/in.ipynb"))
