"""Every URL scheme has a store and every kind of destination has a target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from generator.shared.failures import BadInputsError
from generator.staging import targets
from generator.staging.network.credentials import Credentials
from generator.staging.network.settings import NetworkSettings
from generator.staging.records import Location, read_destination, read_locations
from generator.staging.stores import registry
from generator.staging.stores.filesystems import FileSystemStore
from generator.staging.stores.http import HttpStore
from generator.staging.stores.s3 import S3Store


@pytest.mark.parametrize(
    ("scheme", "kind", "has_folders"),
    [
        ("http", HttpStore, False),
        ("https", HttpStore, False),
        ("s3", S3Store, True),
        ("gs", FileSystemStore, True),
        ("sftp", FileSystemStore, True),
    ],
)
def test_a_scheme_is_read_by_its_store(scheme: str, kind: type, has_folders: bool) -> None:
    location = Location(kind="URL", addresses=(f"{scheme}://example.org/a",))

    store = registry.open_store(scheme, NetworkSettings(), Credentials(), location)

    assert (type(store), store.has_folders) == (kind, has_folders)


@pytest.mark.parametrize(
    ("kind", "address", "target"),
    [
        ("Local", "results", "LocalTarget"),
        ("OGC", "results", "LocalTarget"),
        ("S3", "s3://bucket/results/", "S3Target"),
        ("URL", "gs://bucket/results/", "FileSystemTarget"),
    ],
)
def test_a_kind_of_destination_has_its_target(tmp_path: Path, kind: str, address: str, target: str) -> None:
    location = Location(kind=kind, addresses=(address,))

    found = targets.open_target(location, NetworkSettings(), Credentials(), inside=tmp_path)

    assert type(found).__name__ == target
    assert found.url.endswith("/results")


@pytest.mark.parametrize("text", ['{"s3_url": "s3://b/x", "aws_secret_access_key": "s3cret"}', '{url: "s3cret'])
@pytest.mark.parametrize("read", [read_destination, read_locations])
def test_the_text_of_a_record_is_no_address(read: Callable[[Any], object], text: str) -> None:
    for value in (text, [text]):
        with pytest.raises(BadInputsError, match="a record is needed, not its text") as refusal:
            read(value)

        assert "s3cret" not in str(refusal.value)


def test_web_servers_are_no_destination() -> None:
    location = Location(kind="URL", addresses=("https://example.org/results",))

    with pytest.raises(BadInputsError, match="web servers cannot store results"):
        targets.open_target(location, NetworkSettings(), Credentials(), inside=None)
