"""What an engine needs is looked for before a repository is fetched: one message that says what to do, exit code 19."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Finished

from generator.containers.setup import ensure_engine
from generator.image.base import debian as debian_base
from generator.shared.errors import EngineMissingError

# the SDK leaves the socket of an engine that does not answer to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
_NOWHERE = "https://nowhere.invalid/ada/trees.git"


def test_no_engine_is_said_before_anything_is_fetched(
    packmill: Callable[..., Finished], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")

    refused = packmill("build", _NOWHERE)

    assert refused.code == 19
    assert "packmill setup" in refused.err
    assert "Fetching" not in refused.err


@pytest.mark.engine
@pytest.mark.parametrize(
    ("programs", "message"),
    [((), "docker: an engine answers, but the command is missing"), (("docker",), "buildx: the plugin is missing")],
    ids=["no command", "no buildx"],
)
def test_a_missing_docker_command_or_plugin_is_reported_before_anything_is_fetched(
    programs: tuple[str, ...],
    message: str,
    engine: None,
    packmill: Callable[..., Finished],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in programs:
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\n[ "$1" != buildx ] || exit 1\nexec {shutil.which(name)} "$@"\n')
        program.chmod(0o755)
    git = tmp_path / "bin" / "git"
    git.parent.mkdir(exist_ok=True)
    git.symlink_to(shutil.which("git") or os.devnull)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    refused = packmill("build", _NOWHERE)

    assert refused.code == 19
    assert message in refused.err
    assert "Fetching" not in refused.err


def test_a_confined_job_installs_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EngineMissingError, match="confined jobs of 'packmill serve' cannot set it up; run 'packmill"):
        ensure_engine(docker_host=None, say=print, confined=True)


def test_a_job_that_cannot_change_its_root_makes_no_base_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian_base, "_has_capability", lambda _: False)

    assert not debian_base.can_make()
