"""What a package records of its image: its lock, its SBOM, and the values that a rebuild needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.build.job import BuildJob
from generator.documents.provenance import BuildRecord
from generator.documents.sbom import sbom_json
from generator.documents.slsa import predicate_type, slsa_name, slsa_predicate
from generator.documents.text import json_text
from generator.environment.secret_addresses import refuse_secrets
from generator.image.build import BuiltImage
from generator.image.check import read_contents
from generator.image.environment.plan import PYLOCK, REQUIREMENTS_LOCK, Lock
from generator.request.build import BuildRequest
from generator.request.resources import resource_names
from generator.request.settings import Settings
from generator.shared.errors import RunnerCheckError
from generator.shared.safe_text import redacted
from generator.signing.formats import statement

sbom_name = "sbom.cdx.json"
"""CycloneDX's own ending for a bill of materials in JSON (https://cyclonedx.org/specification/overview/)."""
_SBOM_TYPE = "https://cyclonedx.org/bom"
"""The predicate type of a bill of materials (in-toto, spec/predicates/cyclonedx.md)."""
_MOST_PACKAGES = 50_000
"""Packages of an image: to describe each takes almost a millisecond, and 20 kB of memory."""
_surrogate = frozenset(map(chr, range(0xD800, 0xE000)))


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRecord:
    """Files for the package by their names, and the ``build`` object of its ``package.json``."""

    texts: Mapping[str, str] = field(default_factory=dict)
    build: BuildRecord | None = None
    predicates: Mapping[str, Any] = field(default_factory=dict)
    """What is attested of a pushed image, by the type of each predicate."""


def record_image(job: BuildJob, image: BuiltImage, *, local: str) -> ImageRecord:
    """Record the contents of an image; empty when the request builds none. ``local`` is its name in the engine.

    Raises:
        RunnerCheckError: the image does not list its contents.
        EnvironmentSpecError: the image's lock contains a secret.
    """
    if not job.request.build_image:
        return ImageRecord()
    source = job.source
    packages, lock = _parse_contents(read_contents(local), image.reference)
    sbom = sbom_json(
        packages,
        name=f"{source.owner}/{source.name}",
        version=source.checkout,
        reference=image.reference,
        digest=image.digest,
        time=source.timestamp,
        key="".join(image.layers),
    )
    if lock:
        refuse_secrets(lock.text, f"{lock.name} of the image")  # from requirements that a file behind a URL named
    build = BuildRecord(
        base=image.base.pinned if image.base else "",
        layers=image.layers,
        lock=lock.name if lock else "",
        sbom=sbom_name,
        options=_build_options(job.request, job.settings),
    )
    texts = {sbom_name: sbom, **({lock.name: lock.text} if lock else {})}
    if not image.digest:
        return ImageRecord(texts=texts, build=build)
    predicates = {predicate_type: _slsa_predicate(job, build), _SBOM_TYPE: json.loads(sbom)}
    name = image.reference.partition("@")[0]
    stated = statement(predicate_type, predicates[predicate_type], name=name, digest=image.digest)
    return ImageRecord(texts={**texts, slsa_name: json_text(stated)}, build=build, predicates=predicates)


def image_texts(request: BuildRequest) -> tuple[str, ...]:
    """Return the names of the files about the image that each package of a request has, its lock aside."""
    if not request.build_image:
        return ()
    return (sbom_name, slsa_name) if request.registry else (sbom_name,)


def _slsa_predicate(job: BuildJob, build: BuildRecord) -> dict[str, Any]:
    return slsa_predicate(
        address=job.source.address,
        checkout=job.source.checkout,
        commit=job.source.commit,
        processes=job.request.processes,
        base=build.base,
        options=build.options,
    )


def _parse_contents(contents: Any, reference: str) -> tuple[list[dict[str, str]], Lock | None]:
    """Parse the packages and the lock that an image reports; a repository can make its image report anything."""
    reported = contents if isinstance(contents, dict) else {}
    packages, locks = reported.get("contents"), reported.get("locks") or {}
    if not isinstance(packages, list) or not all(_is_text(one) for one in packages) or not _is_text(locks):
        raise RunnerCheckError(f"the image {reference} does not list its contents; build it again with --no-cache")
    if len(packages) > _MOST_PACKAGES:
        raise RunnerCheckError(f"the image {reference} lists more than {_MOST_PACKAGES} packages; remove some of them")
    name = next((name for name in (REQUIREMENTS_LOCK, PYLOCK) if locks.get(name)), "")
    return packages, Lock(name=name, text=locks[name]) if name else None


def _is_text(one: Any) -> bool:
    """Whether a value is an object of texts that UTF-8 can encode."""
    return isinstance(one, dict) and all(isinstance(text, str) and _surrogate.isdisjoint(text) for text in one.values())


def _build_options(request: BuildRequest, settings: Settings) -> dict[str, Any]:
    """Return the options of a build other than repository, checkout and process."""
    options = {
        "env": redacted(request.environment) if request.environment else None,
        "image": request.image,
        "network": request.network,
        "output_template": request.output_template,
        "parameters_cell": str(request.parameters_cell or ""),
        "kernel": request.kernel,
        "language": request.language,
        "standard_buildpacks": request.standard,
        "kernel_gateway": request.kernel_gateway,
        "no_submodules": not request.submodules,
        "stage_guard": settings.stage_guard,
        "emit": " ".join(request.emits),
        "scatter": " ".join(request.scatter),
        **{name: str(amount) for name in resource_names if (amount := getattr(request.resources, name)) is not None},
    }
    return {name: value for name, value in options.items() if value}
