"""Programs on PATH: git, git-lfs, and those that only some features use."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from generator.machine.checks.python_packages import pip_install
from generator.machine.finding import Finding, State
from generator.shared.errors import RepositoryError
from generator.subprocesses.commands import run

_MANAGERS = (("apt-get", "apt-get install -y"), ("dnf", "dnf install -y"), ("apk", "apk add"), ("brew", "brew install"))


def check() -> Iterator[Finding]:
    """Check git, which every build needs, and git-lfs, which some repositories need."""
    yield _program("git", State.MISSING, "repositories cannot be fetched", exit_code=RepositoryError.exit_code)
    yield _program("git-lfs", State.OPTIONAL, "files in Git LFS stay pointers")


def check_optional() -> Iterator[Finding]:
    """Check the programs of single features; where Toil is missing, that of its extra states it."""
    if find_spec("ipykernel"):
        yield Finding(name="ipykernel", state=State.OK, detail="'packmill-runner run' can run Python notebooks here")
    else:
        detail = "'packmill-runner run' finds no Python kernel here; images have their own"
        fix = pip_install("ipykernel")
        yield Finding(name="ipykernel", state=State.OPTIONAL, detail=detail, fix=fix)
    own = str(Path(sys.executable).parent)
    if found := shutil.which("toil-cwl-runner") or shutil.which("toil-cwl-runner", path=own):
        yield Finding(name="toil", state=State.OK, detail=found)


def install_command(package: str) -> str:
    """Return the command that installs a package of the operating system; empty on an unknown one."""
    command = next((command for program, command in _MANAGERS if shutil.which(program)), "")
    sudo = "sudo " if command and os.geteuid() != 0 and not command.startswith("brew") else ""
    return f"{sudo}{command} {package}" if command else ""


def _program(name: str, absent: State, effect: str, *, exit_code: int = 0) -> Finding:
    done = run((name, "--version"), timeout=30)
    if done.code == 0:
        version = re.search(r"\d+(?:\.\d+)+", done.stdout)
        return Finding(name=name, state=State.OK, detail=version[0] if version else done.stdout.strip())
    detail = f"not installed: {effect}" if done.code == 127 else f"does not start (exit code {done.code}): {effect}"
    return Finding(name=name, state=absent, detail=detail, fix=install_command(name), exit_code=exit_code)
