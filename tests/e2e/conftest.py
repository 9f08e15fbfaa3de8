"""One engine and one base image for all tests that build: found, or started here and stopped by its own process id."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from generator.setup.base_image import ensure_base_image
from generator.setup.container_engine import ensure_engine


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """A container engine that answers."""
    daemon = ensure_engine(docker_host=os.environ.get("DOCKER_HOST"), say=print)
    yield
    if daemon is not None:
        os.kill(daemon, signal.SIGTERM)
        for _ in range(100):
            if os.waitpid(daemon, os.WNOHANG)[0]:
                break
            time.sleep(0.2)


@pytest.fixture(scope="session")
def base_image(engine: None) -> str:
    """The base image of environments without a Dockerfile."""
    return ensure_base_image(os.environ.get("PACKMILL_BASE_IMAGE"), say=print)
