"""Check the signatures of all images of a document before any of them starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.containers.registry_session import Login
from generator.package.job_file import read_yaml
from generator.progress import Progress
from generator.shared.yaml_limits import read_text
from generator.signing.keys import VerifyingKey


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """The key whose signature every image needs; ``login_for`` returns the credentials for a registry's image."""

    key: VerifyingKey
    login_for: Callable[[str], Login | None]

    def check(self, documents: Iterable[Path], progress: Progress) -> None:
        """Check the images of documents that follow `generator.package.document_rules`.

        Raises:
            SignatureError: an image has no valid signature.
        """
        from generator.containers.signatures import verify_image

        for image in sorted({image for document in documents for image in images_of(document)}):
            verify_image(image, self.key, login=self.login_for(image))
            progress.say(f"{image}: signature verified")


def images_of(document: Path) -> Iterator[str]:
    """Return the images that a document names, those of the documents of its steps included."""
    for node in _mappings(read_yaml(read_text(document))):
        if isinstance(image := node.get("dockerPull"), str):
            yield image
        if isinstance(run := node.get("run"), str) and run.endswith(".cwl"):
            yield from images_of(document.with_name(Path(run).name))


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _mappings(below)
