"""``package.json``: what the package was made from, and by what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from generator import __version__
from generator.documents.process import Facts
from generator.documents.text import json_text
from generator.interface_json import to_dict


def package_json(
    facts: Facts,
    *,
    environment: tuple[str, ...],
    image_digest: str | None,
    tools: Mapping[str, str],
    documents: Iterable[str],
) -> str:
    """The text; ``tools`` are the versions of what built it, ``documents`` all files of the package."""
    process = facts.process
    image = {"reference": facts.image, **({"digest": image_digest} if image_digest else {})}
    return json_text(
        {
            "packmill": __version__,
            "repository": {"address": facts.address, "owner": facts.owner, "name": facts.name},
            "checkout": facts.checkout,
            "commit": {"id": facts.commit, "message": facts.message, "time": facts.time},
            "process": {"path": process.path, "language": process.language, "kernel": process.kernel},
            **({"metadata": dict(process.metadata)} if process.metadata else {}),
            "environment": list(environment),
            "image": image,
            "tools": dict(sorted(tools.items())),
            "documents": sorted(documents),
            "interface": to_dict(process.interface),
        }
    )
