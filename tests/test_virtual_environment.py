"""The virtual environment that ``build.sh`` creates: after a kill, and by two builds at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import here

_UV = """\
#!/bin/sh
echo begin >> uv.log
sleep 0.5
printf '#!/bin/sh\\n' > .venv/bin/packmill
chmod +x .venv/bin/packmill
echo end >> uv.log
"""
"""A program in place of uv, which installs nothing."""
_PYTHON = f"""\
#!/bin/sh
[ "$2" != venv ] || set -- -m venv --without-pip .venv
exec {sys.executable} "$@"
"""
"""Python, but its environments have no pip, whose installation takes ten seconds."""


@pytest.fixture
def start(tmp_path: Path) -> Callable[[], subprocess.Popen[bytes]]:
    """Starts the script in a checkout of its own, with an environment without pip and a file ``earlier`` in it."""
    for name in ("scripts", "bin"):
        (tmp_path / name).mkdir()
    shutil.copy2(here.parent / "scripts" / "virtual-environment", tmp_path / "scripts")
    for name in ("pyproject.toml", "requirements.lock"):
        (tmp_path / name).touch()
    for name, text in (("uv", _UV), ("python", _PYTHON)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    subprocess.run((sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"), check=True)
    (tmp_path / ".venv" / "earlier").touch()
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHON": str(tmp_path / "bin" / "python")}
    return lambda: subprocess.Popen((tmp_path / "scripts" / "virtual-environment",), env=environment)


def test_an_environment_whose_creation_was_killed_is_created_again(
    start: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """pip is installed last: without it, every later build failed."""
    assert start().wait(timeout=120) == 0

    assert not (tmp_path / ".venv" / "earlier").exists()
    assert (tmp_path / ".venv" / "requirements.lock").exists()


def test_two_builds_at_once_install_once(start: Callable[[], subprocess.Popen[bytes]], tmp_path: Path) -> None:
    packages = next((tmp_path / ".venv" / "lib").glob("*/site-packages"))
    (packages / "pip.py").touch()
    both = [start() for _ in range(2)]

    assert [one.wait(timeout=120) for one in both] == [0, 0]
    assert (tmp_path / "uv.log").read_text().split() == ["begin", "end"] * 2  # the locked packages, and packmill itself
    assert (tmp_path / ".venv" / "earlier").exists()
    assert start().wait(timeout=60) == 0
    assert (tmp_path / "uv.log").read_text().split() == ["begin", "end"] * 2
