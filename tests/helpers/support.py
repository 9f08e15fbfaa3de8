"""Helpers of the tests: notebooks, real git repositories, case folders."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import forked_programs
from forked_programs import RUNNER

from generator.runner.results.scraps import Scraps

here = Path(__file__).parents[1]
cases = here / "cases"


def notebook(
    *sources: str, language: str = "python", kernel: str | None = "python3", tags: tuple[str, ...] = ("parameters",)
) -> dict[str, Any]:
    """A notebook of code cells; the first one carries the tags."""
    cells = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{number}",
            "metadata": {"tags": list(tags)} if number == 1 and tags else {},
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(sources, start=1)
    ]
    kernelspec = {"display_name": kernel, "language": language, "name": kernel}
    metadata = {"kernelspec": kernelspec} if kernel else {}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def write_notebook(path: Path, *sources: str, **options: Any) -> Path:
    """`notebook` in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook(*sources, **options), indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def git(folder: Path, *arguments: str) -> str:
    """A git command as a fixed person at a fixed time; what it printed."""
    fixed = {
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_AUTHOR_DATE": "2026-02-03T04:05:06+00:00",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        "GIT_COMMITTER_DATE": "2026-02-03T04:05:06+00:00",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
    }
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *arguments],
        cwd=folder,
        env={**os.environ, **fixed},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def commit_all(folder: Path, message: str = "A first version") -> str:
    """Makes ``folder`` a repository if it is none, and commits everything; the commit."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


class Finished:
    """How a command line of packmill ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def json(self) -> Any:
        return json.loads(self.out)


def folders(name: str) -> list[Path]:
    """The case folders of a kind."""
    return sorted(path for path in (cases / name).iterdir() if path.is_dir())


def copy_case(case: Path, target: Path) -> Path:
    """The ``repository`` of a case, copied to be committed."""
    shutil.copytree(case / "repository", target, dirs_exist_ok=True, symlinks=True)
    return target


class Folder:
    """A folder with notebooks, in which ``packmill-runner run`` runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return forked_programs.run(RUNNER, "run", *words, cwd=self.folder, **options)

    def write(self, *cells: str, name: str = "in.ipynb", **options: Any) -> None:
        write_notebook(self.folder / name, *cells, **options)

    def executed(self, name: str = "out.ipynb") -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / name).read_text())
        return document

    def texts(self, name: str = "out.ipynb") -> str:
        outputs = (output for cell in self.executed(name)["cells"] for output in cell.get("outputs", ()))
        return "".join("".join(output.get("text", "")) for output in outputs)


def read_scraps(cells: Iterable[Mapping[str, Any]], output: Path | None = None) -> Scraps:
    """Every scrap of a notebook's cells, in their order."""
    scraps = Scraps(output)
    for index, cell in enumerate(cells):
        scraps.take(index, cell)
    return scraps
