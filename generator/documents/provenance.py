"""``package.json``: the sources and tools that a package was built from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from generator import __version__
from generator.documents.context import DocumentContext
from generator.documents.text import json_text
from generator.notebook.interface_json import to_dict


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildRecord:
    """The values from which ``packmill rebuild`` builds the same image.

    ``base`` is the base image's reference, by digest where it has one; ``layers`` are the image's diff ids, the lowest
    first (OCI image-spec, config, "rootfs"); ``lock`` is the name of the package's lock file; ``options`` are those of
    ``packmill build`` that were not the default.
    """

    base: str = ""
    layers: tuple[str, ...] = ()
    lock: str = ""
    sbom: str = ""
    options: Mapping[str, str | bool] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the object for ``package.json``, without empty values."""
        known = {"base": self.base, "lock": self.lock, "sbom": self.sbom, "options": dict(sorted(self.options.items()))}
        return {**{name: value for name, value in known.items() if value}, "layers": list(self.layers)}


def package_json(
    context: DocumentContext,
    *,
    environment: tuple[str, ...],
    image_digest: str | None,
    staging_digest: str | None = None,
    tools: Mapping[str, str],
    documents: Iterable[str],
    build: BuildRecord | None = None,
) -> str:
    """Return the text; ``tools`` maps build tools to their versions, ``documents`` lists all files of the package.

    ``build`` is omitted without an image, ``staging`` without staging steps.
    """
    process, source = context.process, context.source
    staging = {"staging": _image(context.staging_image, staging_digest)} if context.staging_image else {}
    return json_text(
        {
            "packmill": __version__,
            "repository": {
                "address": source.address,
                "owner": source.owner,
                "name": source.name,
            },
            "checkout": source.checkout,
            "commit": {
                "id": source.commit,
                "message": source.message,
                "time": source.timestamp,
            },
            "process": {"path": process.path, "language": process.language, "kernel": process.kernel},
            "metadata": context.metadata.to_dict(),
            **({"resources": resources} if (resources := process.resources.to_dict()) else {}),
            "environment": list(environment),
            "image": _image(context.image, image_digest),
            **staging,
            **({"build": build.to_dict()} if build else {}),
            "tools": dict(sorted(tools.items())),
            "documents": sorted(documents),
            "interface": to_dict(process.interface),
        }
    )


def _image(reference: str, digest: str | None) -> dict[str, str]:
    return {"reference": reference, **({"digest": digest} if digest else {})}
