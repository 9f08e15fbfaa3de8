"""Completion in the shell, as bash, zsh and fish request it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Finished, here


@pytest.fixture
def completions(tmp_path: Path) -> Callable[[str], set[str]]:
    """What can follow a line, by argcomplete's protocol."""

    def of(line: str) -> set[str]:
        answer = tmp_path / "answer"
        protocol = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}
        asked = {**protocol, "COMP_LINE": line, "COMP_POINT": str(len(line)), "PYTHONPATH": str(here.parent)}
        done = subprocess.run(
            [sys.executable, "-m", "generator"],
            env={**os.environ, **asked},
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        assert not done.stdout
        return {word.strip() for word in answer.read_text().split("\n")}

    return of


def test_commands_options_choices_and_paths_are_completed(
    completions: Callable[[str], set[str]], tmp_path: Path
) -> None:
    (tmp_path / "trees.ipynb").touch()

    assert completions("packmill in") == {"init", "inspect"}
    assert {"--checkout", "--push", "--json"} <= completions("packmill build --")
    assert completions("packmill run PACKAGE --engine ") == {"cwltool", "toil"}
    assert completions("packmill init tr") == {"trees.ipynb"}


def test_bash_completes_with_the_printed_code(packmill: Callable[..., Finished], tmp_path: Path) -> None:
    code = packmill("complete", "bash").out
    (tmp_path / "packmill").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m generator "$@"\n')
    (tmp_path / "packmill").chmod(0o755)
    line = "packmill doc"
    asked = f"COMP_WORDS=(packmill doc) COMP_CWORD=1 COMP_LINE='{line}' COMP_POINT={len(line)} COMP_TYPE=9\n"
    script = f"{code}\n{asked}_python_argcomplete packmill\necho ${{COMPREPLY[@]}}"
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(here.parent)}

    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "doctor"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_code_for_packmill(packmill: Callable[..., Finished], shell: str) -> None:
    finished = packmill("complete", shell)

    assert finished.code == 0
    assert "packmill" in finished.out
    assert "_ARGCOMPLETE" in finished.out
