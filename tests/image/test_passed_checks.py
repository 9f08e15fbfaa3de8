"""Which edits of a repository leave the result of the check in the image as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import write_notebook

from generator.image.passed_checks import describe_check
from generator.process.process import read_process


def _describe(folder: Path, *cells: str, name: str = "process.ipynb") -> str:
    write_notebook(folder / name, "n = 1  # type: int", *cells)
    return describe_check(read_process(folder, name), folder)


def test_an_edit_that_keeps_the_imports_keeps_the_check(tmp_path: Path) -> None:
    before = _describe(tmp_path, "import numpy", "n + 1")

    assert before
    assert _describe(tmp_path, "n + 2", "import numpy") == before


@pytest.mark.parametrize("cell", ["import numpy, scipy", "from numpy import zeros", "import numpy.linalg", "n + 1"])
def test_other_imports_are_another_check(tmp_path: Path, cell: str) -> None:
    assert _describe(tmp_path, cell) != _describe(tmp_path, "import numpy")


@pytest.mark.parametrize("name", ["random.py", "lib/random.py", "random/__init__.py", "native.so"])
def test_python_files_of_the_repository_are_part_of_a_check(tmp_path: Path, name: str) -> None:
    before = _describe(tmp_path, "import numpy")
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)

    file.write_text("1\n")
    added = _describe(tmp_path, "import numpy")
    file.write_text("raise ImportError\n")

    assert len({before, added, _describe(tmp_path, "import numpy")}) == 3


@pytest.mark.parametrize("cell", ["import library", "import numpy\nif n:\n    import library", "%pip install numpy"])
def test_own_modules_and_installed_packages_are_always_checked(tmp_path: Path, cell: str) -> None:
    (tmp_path / "library.py").touch()

    assert _describe(tmp_path, cell) == ""


@pytest.mark.parametrize(
    "name", [".local/share/jupyter/kernels/python3/kernel.json", ".local/bin/python3", ".ipython/profile", "start"]
)
def test_a_repository_that_chooses_the_program_that_is_checked_is_always_checked(tmp_path: Path, name: str) -> None:
    """Its check could pass for another repository with the same environment and imports."""
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()

    assert _describe(tmp_path, "import numpy") == ""


def test_a_notebook_in_another_folder_is_another_check(tmp_path: Path) -> None:
    assert _describe(tmp_path, "import numpy") != _describe(tmp_path, "import numpy", name="a/process.ipynb")
