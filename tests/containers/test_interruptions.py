"""Interruptions while the docker command builds an image; stand-ins of the command behave as its versions do."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from generator.containers.builder import build_context, build_environment, repo2docker_app
from generator.shared.errors import ImageBuildError
from generator.subprocesses import ending
from generator.subprocesses.streams import stop_streams

_PLUGIN = """\
#!/bin/sh
{signals}
echo $$ > {folder}/plugin
echo begun
{then}
exec sleep 30
"""
_DOCKER = """\
#!/bin/sh
[ "$1 $2" = "buildx build" ] || exit 1
{signals}
{folder}/buildx "$@" && touch {folder}/over
exit 1
"""
_IGNORED = "trap : TERM"


class Standin:
    """A docker command whose build, in a process of its own, takes half a minute."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, *, then: str = "", docker_signals: str = "", plugin_signals: str = "") -> None:
        """Write the programs; ``then`` is a command that the build runs after its first line."""
        plugin = _PLUGIN.format(folder=self.folder, signals=plugin_signals, then=then)
        docker = _DOCKER.format(folder=self.folder, signals=docker_signals)
        for name, text in (("buildx", plugin), ("docker", docker)):
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o755)

    def check_end(self) -> None:
        """Check that the build was ended, and did not go on until its own end."""
        process = Path("/proc", (self.folder / "plugin").read_text().strip(), "exe")
        wait_until(lambda: not process.exists())
        assert not (self.folder / "over").exists()


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Standin:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(ending, "_GRACE", 60.0)
    return Standin(folder)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def of_an_environment(folder: Path, on_line: Callable[[str], None]) -> None:
    folder.mkdir()
    (folder / "environment.yml").write_text("dependencies: [python=3.11]")
    build_environment(
        repo2docker_app(folder, image="x:y", base_image="x", packs=(), time=0, fresh=False), on_line=on_line
    )


def of_a_dockerfile(folder: Path, on_line: Callable[[str], None]) -> None:
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM x")
    build_environment(
        repo2docker_app(folder, image="x:y", base_image=None, packs=(), time=0, fresh=False), on_line=on_line
    )


def of_a_context(folder: Path, on_line: Callable[[str], None]) -> None:
    build_context(folder, image="x:y", time=0, on_line=on_line)


@pytest.fixture(params=[of_an_environment, of_a_dockerfile, of_a_context])
def build(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Callable[[str], None]], None]:
    return partial(request.param, tmp_path / "folder")


@pytest.mark.parametrize(
    ("docker_signals", "then"),
    [
        pytest.param("", f"kill -INT {os.getpid()}", id="docker-ends"),
        pytest.param(_IGNORED, f"kill -INT {os.getpid()}", id="docker-before-25-waits-for-its-plugin"),
        pytest.param("", f"kill -INT {os.getpid()}; exit 1", id="the-terminal-interrupts-the-build-too"),
    ],
)
def test_an_interruption_ends_the_build_and_is_no_failure_of_it(
    build: Any, standin: Standin, temporary: Path, docker_signals: str, then: str
) -> None:
    standin.install(then=then, docker_signals=docker_signals)

    with pytest.raises(KeyboardInterrupt):
        build(lambda _: None)

    standin.check_end()
    assert not list(temporary.iterdir())


def test_a_build_that_does_not_end_is_killed_after_a_while(
    build: Any, standin: Standin, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "_GRACE", 0.2)
    standin.install(then=f"kill -INT {os.getpid()}", docker_signals=_IGNORED, plugin_signals="trap '' TERM")

    with pytest.raises(KeyboardInterrupt):
        build(lambda _: None)

    standin.check_end()
    assert not list(temporary.iterdir())


def test_an_interruption_while_a_line_is_shown_ends_the_build(build: Any, standin: Standin, temporary: Path) -> None:
    standin.install(docker_signals=_IGNORED)

    def interrupt(line: str) -> None:
        if line == "begun":
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        build(interrupt)

    standin.check_end()
    assert not list(temporary.iterdir())


def test_a_build_in_another_thread_is_ended_with_its_plugin(standin: Standin, tmp_path: Path) -> None:
    """It is that of the runner, in parallel with the environment, whose build is interrupted or fails."""
    standin.install(docker_signals=_IGNORED)
    begun = threading.Event()

    with ThreadPoolExecutor(max_workers=1) as pool:
        building = pool.submit(of_a_context, tmp_path, lambda _: begun.set())
        assert begun.wait(timeout=60)
        stop_streams()

        with pytest.raises(ImageBuildError):
            building.result()

    standin.check_end()
