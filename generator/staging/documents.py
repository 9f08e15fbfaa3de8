"""Small remote JSON documents: answers of a search, STAC."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.shared.failures import StagingError
from generator.staging.network.settings import NetworkSettings
from generator.staging.stores import Source
from generator.staging.transfer.transfer import Transfer, Watch

_LARGEST = 64 * 1024**2
_LARGEST_TOTAL = 1024**3
"""Bytes of all STAC documents of a step: their Items are in memory together."""


class NotJsonError(StagingError):
    """A document was fetched, and is not JSON."""


class LargeDocumentError(StagingError):
    """A document is too large to be parsed."""


@dataclass(slots=True)
class DocumentTotal:
    """The size of documents that lead to each other, in bytes."""

    size: int = 0

    def add(self, more: int, url: str) -> None:
        """Count what was read of the document at a URL.

        Raises:
            StagingError: all documents together are too large.
        """
        self.size += more
        if self.size > _LARGEST_TOTAL:
            raise StagingError(
                f"{url}: with this document, STAC documents have more than {_LARGEST_TOTAL // 1024**2} MiB in total; "
                "name fewer Items, or stage them in separately"
            )


def read_json(source: Source, network: NetworkSettings, total: DocumentTotal | None = None) -> Any:
    """Fetch and parse a JSON document, with retries; ``total`` counts its size.

    Raises:
        NotJsonError: the document is not JSON.
        LargeDocumentError: the document is too large.
        StagingError: the document is unavailable, or too large with those counted before.
    """
    with tempfile.TemporaryDirectory(prefix="packmill-document-") as folder:
        part = Path(folder, "document")
        size = 0

        def count(more: int) -> None:
            nonlocal size
            size += more
            if size > _LARGEST:
                raise LargeDocumentError(f"{source.url}: more than {_LARGEST // 1024**2} MB, too large for a document")
            if total is not None:
                total.add(more, source.url)

        Transfer(source, part, network=network, watch=Watch(on_bytes=count)).fetch()
        try:
            return json.loads(part.read_bytes())
        except (ValueError, RecursionError):
            raise NotJsonError(f"{source.url}: not valid JSON") from None
