"""Check the signatures of all images of a document before any of them starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.containers.registry_session import Login
from generator.package.document_rules.fields import items, mapping
from generator.package.plain_document import read_document
from generator.progress import Progress
from generator.shared.errors import DocumentError, UsageError
from generator.signing.keys import VerifyingKey

_UNVERIFIED_RUNTIMES = ("--singularity", "--udocker", "--user-space-docker-cmd", "--no-container")
"""Options of cwltool with which it starts something else than the image in its registry: that of Singularity may be a
file in the current folder."""
_SHORTEST = len("--xx")
"""Characters of a shortened option; argparse refuses a shorter one as ambiguous."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """The key whose signature every image needs; ``login_for`` returns the credentials for a registry's image."""

    key: VerifyingKey
    login_for: Callable[[str], Login | None]

    def check(self, documents: Iterable[Path], progress: Progress) -> None:
        """Check the images of documents that follow `generator.package.document_rules`.

        Raises:
            DocumentError: a document names no image.
            SignatureError: an image has no valid signature.
        """
        from generator.containers.signatures import verify_image

        for image in sorted({image for document in documents for image in images_of(document)}):
            verify_image(image, self.key, login=self.login_for(image))
            progress.say(f"{image}: signature verified")


def refuse_unverified_runtimes(options: Iterable[str]) -> None:
    """Refuse options of cwltool, also shortened ones, with which it starts something else than what is verified.

    Raises:
        UsageError: there is such an option.
    """
    for word in (option.partition("=")[0] for option in options):
        if len(word) >= _SHORTEST and any(one.startswith(word) for one in _UNVERIFIED_RUNTIMES):
            raise UsageError(
                f"--verify: with {word}, what runs may be another image than the one that is verified; "
                "omit one of the two"
            )


def images_of(document: Path) -> list[str]:
    """List the images that a document names, those of the documents of its steps included.

    The document follows `generator.package.document_rules`, so no other place of it names an image.

    Raises:
        DocumentError: a document cannot be read, or names no image.
    """
    try:
        top = mapping(read_document(document))
    except DocumentError as error:
        raise DocumentError(f"{document}: {error}") from None
    found = []
    for process in map(mapping, items(top["$graph"]) if "$graph" in top else [top]):
        found += _own_images(process)
        for step in mapping(process.get("steps")).values():
            run = mapping(step).get("run")
            if isinstance(run, str) and not run.startswith("#"):
                found += images_of(document.parent / run)
    if not found:
        raise DocumentError(f"{document}: names no image whose signature can be verified; build the package again")
    return found


def _own_images(process: dict[str, Any]) -> list[str]:
    needs = [mapping(mapping(process.get(place)).get("DockerRequirement")) for place in ("requirements", "hints")]
    return [image for need in needs if isinstance(image := need.get("dockerPull"), str)]
