"""Destinations of results: one module for each kind of target.

To add a target, write a module with a function `open_target` that returns a `Target`, name the module in `_MODULES` for
its kinds of location, and test it in ``tests/staging`` against a real server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from generator.staging.network.credentials import Credentials
from generator.staging.network.settings import NetworkSettings
from generator.staging.records import Location

_MODULES = {"Local": "local", "OGC": "local", "S3": "s3", "URL": "filesystems"}
"""The module of each kind of location (`Location.kind`); imported on use, because their libraries are optional."""


class Target(Protocol):
    """A folder or prefix that results are delivered to."""

    @property
    def url(self) -> str:
        """The address without credentials."""
        ...

    def put(self, file: Path, relative: str, on_bytes: Callable[[int], None]) -> str:
        """Deliver a file to a path below the target, whole or not at all; return its URL.

        Raises:
            TransientError: another attempt may succeed.
            StagingError: the file cannot be delivered.
        """
        ...


class TargetModule(Protocol):
    """A module of this folder."""

    def open_target(
        self, location: Location, network: NetworkSettings, credentials: Credentials, *, inside: Path | None
    ) -> Target:
        """Return the target of a location, with the credentials of its record."""
        ...


def part_name(name: str) -> str:
    """Return the name of a result while it is written: the same for each attempt, and no usual name of another one.

    A result that is named like another one with an ending, such as ``a.part``, keeps its own place.
    """
    return f".{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.part"


def open_target(
    location: Location, network: NetworkSettings, credentials: Credentials, *, inside: Path | None
) -> Target:
    """Return the target of a location; a local one must be a folder below ``inside``, if given.

    Raises:
        BadInputsError: results cannot be delivered to the location, or a package is not installed.
    """
    module = cast("TargetModule", import_module(f"{__name__}.{_MODULES[location.kind]}"))
    return module.open_target(location, network, credentials.with_record(location.record), inside=inside)
