"""What a package keeps of its image: the versions that were locked, what is in it (SBOM), and what a rebuild needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generator import image
from generator.buildpacks.plan import PYLOCK, REQUIREMENTS_LOCK
from generator.documents.provenance import BuildRecord
from generator.documents.sbom import sbom_json
from generator.errors import RunnerCheckError
from generator.image_check import contents
from generator.imaging import Found
from generator.repository import redacted
from generator.request import BuildRequest, Settings

sbom_name = "sbom.cdx.json"
"""CycloneDX's own ending for a bill of materials in JSON (https://cyclonedx.org/specification/overview/)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """Texts for the package by their names, and the ``build`` of its ``package.json``."""

    texts: Mapping[str, str] = field(default_factory=dict)
    record: BuildRecord | None = None


def keep_of(found: Found, source: image.Source, request: BuildRequest, settings: Settings, *, local: str) -> Kept:
    """What the package keeps; nothing where no image was asked for. ``local`` is the image's name in the engine.

    Raises:
        RunnerCheckError: the image does not say what is in it.
    """
    if not request.build_image:
        return Kept()
    said = contents(local)
    if not isinstance(said, dict) or not isinstance(said.get("contents"), list):
        raise RunnerCheckError(f"the image {found.reference} does not say what is in it")
    lock = next((name for name in (REQUIREMENTS_LOCK, PYLOCK) if said.get("locks", {}).get(name)), "")
    sbom = sbom_json(
        said["contents"],
        name=f"{source.owner}/{source.name}",
        version=source.checkout,
        reference=found.reference,
        digest=found.digest,
        time=image.labels(source, "")["org.opencontainers.image.created"],
        key="".join(found.layers),
    )
    record = BuildRecord(
        base=found.base.pinned if found.base else "",
        layers=found.layers,
        lock=lock,
        sbom=sbom_name,
        options=_options(request, settings),
    )
    return Kept(texts={sbom_name: sbom, **({lock: said["locks"][lock]} if lock else {})}, record=record)


def _options(request: BuildRequest, settings: Settings) -> dict[str, Any]:
    """What was asked for beside repository, checkout and process."""
    asked = {
        "env": redacted(request.environment) if request.environment else None,
        "image": request.image,
        "network": request.network,
        "output_template": request.output_template,
        "standard_buildpacks": request.standard,
        "stage_guard": settings.stage_guard,
    }
    return {name: value for name, value in asked.items() if value}
