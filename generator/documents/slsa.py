"""``provenance.slsa.json``: how an image in a registry was built, as SLSA Build Provenance 1.0 in an in-toto statement.

Source: https://slsa.dev/spec/v1.0/provenance. It has no times, so the same commit and image give the same document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from generator import __version__

predicate_type = "https://slsa.dev/provenance/v1"
slsa_name = "provenance.slsa.json"
_BUILD_TYPE = "urn:packmill:build:v1"
_BUILDER = "urn:packmill:builder:v1"
"""The builder's id; whose machine it was, the key of the attestation tells."""


def slsa_predicate(
    *,
    address: str,
    checkout: str,
    commit: str,
    processes: Sequence[str],
    base: str,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the predicate; ``base`` is the base image's reference, ``options`` are those of ``packmill build``."""
    source = {"digest": {"gitCommit": commit}, **({"uri": f"git+{address}"} if "://" in address else {})}
    name, _, digest = base.partition("@sha256:")
    return {
        "buildDefinition": {
            "buildType": _BUILD_TYPE,
            "externalParameters": {
                "repository": address,
                "checkout": checkout,
                "processes": list(processes),
                **({"options": dict(sorted(options.items()))} if options else {}),
            },
            "resolvedDependencies": [source, *([{"name": name, "digest": {"sha256": digest}}] if digest else [])],
        },
        "runDetails": {"builder": {"id": _BUILDER, "version": {"packmill": __version__}}},
    }
