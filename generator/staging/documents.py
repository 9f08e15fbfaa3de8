"""Small remote JSON documents: answers of a search, STAC."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from generator.shared.failures import StagingError
from generator.staging.network.settings import NetworkSettings
from generator.staging.stores import Source
from generator.staging.transfer.transfer import Transfer, Watch

_LARGEST = 64 * 1024**2


def read_json(source: Source, network: NetworkSettings) -> Any:
    """Fetch and parse a JSON document, with retries.

    Raises:
        StagingError: the document is unavailable, too large, or not JSON.
    """
    with tempfile.TemporaryDirectory(prefix="packmill-document-") as folder:
        part = Path(folder, "document")
        size = 0

        def count(more: int) -> None:
            nonlocal size
            size += more
            if size > _LARGEST:
                raise StagingError(f"{source.url}: more than {_LARGEST // 1024**2} MB, too large for a document")

        Transfer(source, part, network=network, watch=Watch(on_bytes=count)).fetch()
        try:
            return json.loads(part.read_bytes())
        except (ValueError, RecursionError):
            raise StagingError(f"{source.url}: not valid JSON") from None
