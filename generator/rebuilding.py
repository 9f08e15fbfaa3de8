"""``packmill rebuild``: a package's image and documents once more, from what the package itself says it was made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from generator import __version__
from generator.errors import UsageError
from generator.pipeline import Built, build
from generator.progress import Progress
from generator.request import BuildRequest, Settings, build_request


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebuilt:
    """What came of it: layers that are the package's own, in its order, and how many the image has now."""

    built: Built
    same: tuple[bool, ...]
    layers: int


def rebuild(package: Path, settings: Settings, progress: Progress, *, output: Path, fresh: bool) -> Rebuilt:
    """Builds the package's commit on its base image, with its locked versions.

    Raises:
        UsageError: the folder is no package with an image.
        PackmillError: whatever is wrong with the build.
    """
    record = read_record(package)
    made_by = record.get("packmill")
    if made_by != __version__:
        progress.warn(
            f"the package was made by packmill {made_by}, this is {__version__}: its runner's layer will differ"
        )
    settings = replace(settings, base_image=record["build"].get("base") or settings.base_image)
    built = build(_request(package, record, output=output, fresh=fresh), settings, progress)
    recorded = tuple(record["build"]["layers"])
    same = tuple(layer in built.layers for layer in recorded)
    _tell(same, progress)
    return Rebuilt(built=built, same=same, layers=len(built.layers))


def read_record(package: Path) -> dict[str, Any]:
    """A package's ``package.json``.

    Raises:
        UsageError: it is missing, cannot be read, or speaks of no image.
    """
    try:
        record = json.loads((package / "package.json").read_text(encoding="utf-8"))
        layers, commit = record["build"]["layers"], record["commit"]["id"]
    except (OSError, ValueError) as error:
        inside = sorted(path.parent.name for path in package.glob("*/package.json"))
        hint = f": it holds several packages, name one: {', '.join(inside)}" if inside else f": {error}"
        raise UsageError(f"{package}: no package that can be read{hint}") from None
    except (KeyError, TypeError):
        raise UsageError(
            f"{package}: its package.json does not say what its image was made of: it was written without an image, "
            "or by an older packmill"
        ) from None
    if not isinstance(layers, list) or not isinstance(commit, str):
        raise UsageError(f"{package}: its package.json is not packmill's")
    return dict(record)


def _request(package: Path, record: Mapping[str, Any], *, output: Path, fresh: bool) -> BuildRequest:
    options: Mapping[str, Any] = record["build"].get("options", {})
    lock = record["build"].get("lock", "")
    return build_request(
        record["repository"]["address"],
        checkout=record["checkout"],
        commit=record["commit"]["id"],
        processes=(record["process"]["path"],),
        environment=options.get("env"),
        output=output,
        image=options.get("image"),
        network=bool(options.get("network")),
        output_template=options.get("output_template"),
        standard=bool(options.get("standard_buildpacks")),
        fresh=fresh,
        lock=(lock, _lock(package, lock)) if lock else None,
    )


def _lock(package: Path, name: str) -> str:
    if Path(name).name != name:
        raise UsageError(f"{package}: its package.json names a lock file outside of it")
    try:
        return (package / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{package}: its {name} cannot be read: {error}") from None


def _tell(same: tuple[bool, ...], progress: Progress) -> None:
    if all(same):
        progress.say(f"all {len(same)} layers are the package's own, bit for bit")
    else:
        progress.warn(f"{same.count(False)} of {len(same)} layers differ from the package's own")
