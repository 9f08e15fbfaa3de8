"""The digest of a file's content."""

from __future__ import annotations

from pathlib import Path

_BLOCK = 1024**2


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; large files are read in blocks."""
    import hashlib  # a short run digests nothing until its end

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
