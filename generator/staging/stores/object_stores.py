"""Google's and Azure's object stores, with parts that are large enough for any file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from obstore.fsspec import FsspecStore

_MOST_PARTS = 9_000
"""Parts of a file; Google takes 10,000, Azure 50,000."""
_SMALLEST_PART = 5 << 20
_PARTS_AT_ONCE = 12
"""Parts of the smallest size that are in memory at once for a file; fewer if they are larger."""


class PartedStore(FsspecStore):  # type: ignore[misc]
    """Uploads a file in parts whose size depends on its own: obstore's are 5 MiB, so that 52 GB are too many."""

    async def _put_file(self, lpath: str, rpath: str, **_options: Any) -> None:
        file = Path(lpath)
        bucket, path = self._split_path(rpath)
        part = max(_SMALLEST_PART, file.stat().st_size // _MOST_PARTS)
        at_once = max(1, _PARTS_AT_ONCE * _SMALLEST_PART // part)
        await self._construct_store(bucket).put_async(path, file, chunk_size=part, max_concurrency=at_once)
