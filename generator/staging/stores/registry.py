"""The store of each URL scheme."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from generator.staging.network.credentials import Credentials
from generator.staging.network.settings import NetworkSettings
from generator.staging.records import Location
from generator.staging.stores import Store

_MODULES = {"http": "http", "https": "http", "s3": "s3"}
"""The module of each URL scheme; imported on use, because their libraries are optional."""
_OTHER = "filesystems"


class StoreModule(Protocol):
    """A module of this folder."""

    def open_store(self, network: NetworkSettings, credentials: Credentials, location: Location) -> Store:
        """Return the store of a location, with the credentials of its record."""
        ...


def store_module(scheme: str) -> str:
    """Return the name of the module that reads URLs of a scheme."""
    return _MODULES.get(scheme, _OTHER)


def open_store(scheme: str, network: NetworkSettings, credentials: Credentials, location: Location) -> Store:
    """Return the store that reads URLs of a scheme, with the credentials of a location's record.

    Raises:
        BadInputsError: a package that the store needs is not installed.
    """
    module = cast("StoreModule", import_module(f"generator.staging.stores.{store_module(scheme)}"))
    return module.open_store(network, credentials.with_record(location.record), location)
