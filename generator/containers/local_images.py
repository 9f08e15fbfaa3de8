"""All images of the engine, the containers that use them, and their removal by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import docker.errors

from generator.containers.engine import open_client


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalImage:
    """An image in the engine; ``layers`` are diff ids, ``size`` is unpacked in bytes, ``time`` is in Unix seconds.

    ``time`` is the later one of the build and of the latest name. ``has_container`` counts stopped ones too.
    """

    id: str
    names: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    size: int = 0
    time: float = 0.0
    has_container: bool = False


def list_images() -> tuple[LocalImage, ...]:
    """List the images of the engine.

    Raises:
        EngineMissingError: no engine answers.
    """
    with open_client() as client:
        used = {container["ImageID"] for container in client.api.containers(all=True)}
        found = []
        for summary in client.api.images():
            try:
                attributes = client.images.get(summary["Id"]).attrs
            except docker.errors.NotFound:  # removed since it was listed
                continue
            found.append(_image(attributes, has_container=summary["Id"] in used))
        return tuple(found)


def remove_names(image: LocalImage) -> bool:
    """Remove an image by its names, unless one of them has another image by now or a container uses it."""
    with open_client() as client:
        try:
            if any(client.images.get(name).id != image.id for name in image.names):
                return False
            for name in image.names:
                client.images.remove(name, force=False)
        except docker.errors.APIError:
            return False
        return True


def _image(attributes: dict[str, Any], *, has_container: bool) -> LocalImage:
    times = [attributes.get("Created"), (attributes.get("Metadata") or {}).get("LastTagTime")]
    return LocalImage(
        id=attributes["Id"],
        names=tuple(attributes.get("RepoTags") or ()),
        labels=(attributes.get("Config") or {}).get("Labels") or {},
        layers=tuple((attributes.get("RootFS") or {}).get("Layers") or ()),
        size=attributes.get("Size", 0),
        time=max(map(_seconds, times)),
        has_container=has_container,
    )


def _seconds(text: object) -> float:
    """Read the engine's time, whose fraction may have nine digits; 0 for none."""
    try:
        moment = datetime.strptime(str(text)[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return 0.0
    return max(0.0, moment.timestamp()) if moment.year > 1970 else 0.0
