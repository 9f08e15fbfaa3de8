"""The modules of a repository, by the names of its files."""

from __future__ import annotations

from pathlib import Path

from generator.notebook.repository_modules import modules_below


def touch(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


def test_modules_of_a_repository_are_files_and_every_folder_above_one(tmp_path: Path) -> None:
    """A folder without ``__init__.py`` is a package too (PEP 420), and so is what a compiler made a module."""
    library = "lib/inner/fast.cpython-312-x86_64-linux-gnu.so"
    touch(
        tmp_path / "top",
        "beside.py",
        "src/trees/__init__.py",
        library,
        ".venv/hidden.py",
        "data/table.csv",
        "lib/.x.py",
    )

    assert modules_below(tmp_path / "top") == {"top", "beside", "src", "trees", "__init__", "lib", "inner", "fast"}


def test_a_folder_is_a_package_only_above_what_python_can_import(tmp_path: Path) -> None:
    touch(tmp_path / "top", "a/2020-run.py", "b/__pycache__/c.cpython-312.pyc", "d/my-scripts/e/f.py", "g/h.pyi")

    assert modules_below(tmp_path / "top") == {"e", "f"}


def test_a_repository_without_modules_has_none(tmp_path: Path) -> None:
    assert modules_below(tmp_path) == set()
