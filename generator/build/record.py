"""What a package keeps of its image: the versions that were locked, what is in it (SBOM), and what a rebuild needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.documents.provenance import BuildRecord
from generator.documents.sbom import sbom_json
from generator.environment.secret_addresses import refuse_secrets
from generator.image import names as image
from generator.image.build import BuiltImage
from generator.image.check import read_contents
from generator.image.environment.plan import PYLOCK, REQUIREMENTS_LOCK, Lock
from generator.repository.source import Source
from generator.request.build import BuildRequest
from generator.request.settings import Settings
from generator.shared.errors import RunnerCheckError
from generator.shared.safe_text import redacted

sbom_name = "sbom.cdx.json"
"""CycloneDX's own ending for a bill of materials in JSON (https://cyclonedx.org/specification/overview/)."""
_surrogate = frozenset(map(chr, range(0xD800, 0xE000)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """Texts for the package by their names, and the ``build`` of its ``package.json``."""

    texts: Mapping[str, str] = field(default_factory=dict)
    record: BuildRecord | None = None


def keep_of(found: BuiltImage, source: Source, request: BuildRequest, settings: Settings, *, local: str) -> Kept:
    """What the package keeps; nothing where no image was asked for. ``local`` is the image's name in the engine.

    Raises:
        RunnerCheckError: the image does not say what is in it.
        EnvironmentSpecError: a secret is in its lock.
    """
    if not request.build_image:
        return Kept()
    packages, lock = _said(read_contents(local), found.reference)
    sbom = sbom_json(
        packages,
        name=f"{source.owner}/{source.name}",
        version=source.checkout,
        reference=found.reference,
        digest=found.digest,
        time=image.labels(source, "")["org.opencontainers.image.created"],
        key="".join(found.layers),
    )
    if lock:
        refuse_secrets(lock.text, f"{lock.name} of the image")  # of what a file behind a URL asked for
    record = BuildRecord(
        base=found.base.pinned if found.base else "",
        layers=found.layers,
        lock=lock.name if lock else "",
        sbom=sbom_name,
        options=_options(request, settings),
    )
    return Kept(texts={sbom_name: sbom, **({lock.name: lock.text} if lock else {})}, record=record)


def _said(contents: Any, reference: str) -> tuple[list[dict[str, str]], Lock | None]:
    """The packages and the lock that an image speaks of, whose word is a repository's."""
    said = contents if isinstance(contents, dict) else {}
    packages, locks = said.get("contents"), said.get("locks") or {}
    if not isinstance(packages, list) or not all(_is_text(one) for one in packages) or not _is_text(locks):
        raise RunnerCheckError(f"the image {reference} does not say what is in it")
    name = next((name for name in (REQUIREMENTS_LOCK, PYLOCK) if locks.get(name)), "")
    return packages, Lock(name=name, text=locks[name]) if name else None


def _is_text(one: Any) -> bool:
    """Whether it is an object of texts that UTF-8 can hold."""
    return isinstance(one, dict) and all(isinstance(text, str) and _surrogate.isdisjoint(text) for text in one.values())


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
