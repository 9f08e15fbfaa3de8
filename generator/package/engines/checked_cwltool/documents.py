"""What the CWL engine's loader may read: the documents of one folder and the job file, and nothing else.

The loader follows every name in a document: ``$import``, ``$include``, ``$schemas``, and addresses that it only asks
whether they exist, also below the default of an input. `generator.package.document_rules` refuses most of that before
the engine starts. This covers the rest, and fields that a later loader acts on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from schema_salad.exceptions import ValidationException
from schema_salad.fetcher import DefaultFetcher


class PackageFetcher(DefaultFetcher):  # type: ignore[misc]
    """Reads files of a folder, and single files, links followed; no address."""

    def __init__(self, cache: Any, session: Any, *, folder: Path, files: tuple[Path, ...]) -> None:
        super().__init__(cache, session)
        self._folder = folder.resolve()
        self._files = tuple(one.resolve() for one in files)

    def fetch_text(self, url: str, content_types: list[str] | None = None) -> str:
        """Read a document, or what a document includes."""
        if not self._is_readable(url):
            raise ValidationException(f"{url}: not in the folder of the document, and not loaded")
        return str(super().fetch_text(url, content_types))

    def check_exists(self, url: str) -> bool:
        """Tell whether a document is there; one elsewhere is not, as far as the loader is concerned."""
        return url in self.cache or (self._is_readable(url) and super().check_exists(url))

    def _is_readable(self, url: str) -> bool:
        if url in self.cache:
            return True
        try:
            parts = urlsplit(url)
            real = Path(url2pathname(parts.path)).resolve()  # as the loader opens it, without what follows a '#'
        except (ValueError, OSError, RuntimeError):  # a null byte, a link to itself
            return False
        if parts.scheme != "file":
            return False
        return real in self._files or real.is_relative_to(self._folder)
