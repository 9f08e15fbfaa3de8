"""Images in the engine's store."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from session import session_folder

from generator.image.base.find import find_base
from generator.image.runner import Runners
from generator.image.store import ImageStore
from generator.operation.image import find_base as find_base_of_service


@dataclass(frozen=True)
class Built:
    """An image that was built for tests, with its repository and package."""

    repository: Path
    package: Path
    image: str


def remove(*images: str) -> None:
    subprocess.run(["docker", "rmi", "--force", "--no-prune", *images], capture_output=True, check=False)


def local_images(pattern: str, label: str = "") -> list[str]:
    command = ["docker", "images", "--filter", f"reference={pattern}", "--format", "{{.Repository}}:{{.Tag}}"]
    listed = subprocess.run(
        [*command, *(("--filter", f"label={label}") if label else ())], capture_output=True, text=True, check=True
    )
    return listed.stdout.split()


def service_base() -> str:
    """Find or make the base image of the service as its build does, once for all workers: it takes most of a minute."""
    with FileLock(session_folder() / "service-base.lock"):
        return find_base_of_service(None, print)


@contextmanager
def another_base(base_image: str) -> Iterator[str]:
    """Make a base image for the body, with a layer of its own; remove it and what was built on it at the end.

    Docker writes the same layer in two ways: if it already has an equal layer below, made by another build, it leaves
    out folders in which nothing changed. Layers that a test compares therefore need a base that nobody else builds on.
    """
    name = f"packmill-tests/base:{secrets.token_hex(6)}"
    dockerfile = f'FROM {base_image}\nRUN echo {name} > /etc/test-base\nLABEL test="{name}"\nENTRYPOINT ["env"]\n'
    build = ("docker", "build", "--quiet", "--tag", name, "-")
    subprocess.run(build, input=dockerfile, text=True, check=True, capture_output=True)
    yield name
    base = find_base(name, say=print)
    runners = Runners(base=base, store=ImageStore())
    remove(*local_images("*/*/*", label=f"test={name}"), *local_images("ada.*", label=f"test={name}"))
    remove(runners.reference(runners.pythons(name)), name)
