"""One service for the tests that leave it alive, and others for those that do not."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ci_service import Service, make_project
from playwright.sync_api import Browser, sync_playwright

_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project") / "ada" / "toy")


@pytest.fixture(scope="session")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that jobs may write to, for what a test wants to see of them."""
    return tmp_path_factory.mktemp("marks")


@pytest.fixture(scope="session")
def service(project: Path, marks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that do not kill it."""
    data = tmp_path_factory.mktemp("service") / "data"
    running = Service(project, data, "--jobs", "4", "--job-writes", str(marks)).start()
    yield running
    running.stop()


@pytest.fixture
def another_service(project: Path, marks: Path, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Services for tests that kill them or need options of their own; whatever is left is stopped."""
    made: list[Service] = []

    def start(*options: str, **given: Any) -> Service:
        made.append(Service(project, tmp_path / "data", *options, "--job-writes", str(marks), **given))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        if one.process and one.process.poll() is None:
            one.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser; tests that use it are skipped if none is installed."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        yield started
        started.close()
