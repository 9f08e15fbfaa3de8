"""Checksums of files, in the notations of people, servers and STAC."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from generator.staging.file_names import longest_header

_MULTIHASHES = {0x11: "sha1", 0x12: "sha256", 0x13: "sha512", 0x14: "sha3_512", 0x16: "sha3_256", 0xD5: "md5"}
"""Codes of the multicodec table whose algorithms hashlib has."""
_LENGTHS = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
_HEADERS = {
    "content-md5": "md5",
    "x-ms-blob-content-md5": "md5",
    "x-amz-checksum-sha1": "sha1",
    "x-amz-checksum-sha256": "sha256",
}


@dataclass(frozen=True, slots=True)
class Checksum:
    """A hashlib algorithm and a digest in lower-case hex."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"

    @property
    def multihash(self) -> str:
        """The notation of STAC's file extension (v2.1.0, ``file:checksum``), for sha256 only."""
        raw = bytes.fromhex(self.digest)
        return f"12{len(raw):02x}{self.digest}"


def parse_checksum(text: str) -> Checksum:
    """Parse ``sha256:…``, ``sha1$…`` (CWL's notation), a bare digest, or a multihash in hex.

    Raises:
        ValueError: ``text`` is not a checksum in one of these notations.
    """
    word = text.strip().lower()
    match = re.fullmatch(r"(?:(md5|sha1|sha256|sha384|sha512)[:$=-])?([0-9a-f]+)", word)
    if not match:
        raise ValueError(f"{text!r} is not a checksum; write sha256:… or md5:…")
    algorithm, digest = match.groups()
    if algorithm is None:
        return _parse_multihash(digest) or _checksum_by_length(digest, text)
    if len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size * 2:
        raise ValueError(f"{text!r}: wrong length for {algorithm}")
    return Checksum(algorithm, digest)


def _checksum_by_length(digest: str, text: str) -> Checksum:
    if len(digest) not in _LENGTHS:
        raise ValueError(f"{text!r} is not a checksum: no algorithm has digests of this length")
    return Checksum(_LENGTHS[len(digest)], digest)


def _parse_multihash(digest: str) -> Checksum | None:
    """Parse a multihash: code and length as varints, then the digest (multiformats/multihash)."""
    if len(digest) % 2:
        return None
    raw = bytes.fromhex(digest)
    code, used = _parse_varint(raw)
    length, more = _parse_varint(raw[used:])
    rest = raw[used + more :]
    algorithm = _MULTIHASHES.get(code)
    return Checksum(algorithm, rest.hex()) if algorithm and len(rest) == length else None


def _parse_varint(raw: bytes) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(raw[:9]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, index + 1
    return -1, 0


def checksums_from_headers(headers: Mapping[str, str]) -> tuple[Checksum, ...]:
    """Read the checksums of the whole file: Content-MD5, Repr-Digest (RFC 9530), and the stores' own headers."""
    headers = {name: value for name, value in headers.items() if len(value) <= longest_header}
    found = []
    for name, algorithm in _HEADERS.items():
        if name in headers:
            found.append(_from_base64(algorithm, headers[name]))
    for name, value in re.findall(r"([\w-]+)=:([A-Za-z0-9+/=]+):", headers.get("repr-digest", "")):
        known = {"sha-256": "sha256", "sha-512": "sha512", "md5": "md5", "sha": "sha1"}.get(name.lower())
        found.append(_from_base64(known, value) if known else None)
    found += [_from_base64("md5", value) for value in re.findall(r"md5=([\w+/=]+)", headers.get("x-goog-hash", ""))]
    if "x-amz-request-id" in headers:
        found.append(
            checksum_from_etag(headers.get("etag", ""), encryption=headers.get("x-amz-server-side-encryption", ""))
        )
    return tuple(one for one in found if one)


def _from_base64(algorithm: str, text: str) -> Checksum | None:
    """Return None for anything else than a digest: a checksum of parts ends in ``-3``."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    right = len(raw) == hashlib.new(algorithm, usedforsecurity=False).digest_size
    return Checksum(algorithm, raw.hex()) if right else None


def checksum_from_etag(etag: str, *, encryption: str = "") -> Checksum | None:
    """Return the MD5 in an S3 ETag, which it has if written in one part and without KMS (S3, "Object")."""
    word = etag.strip('"')
    plain = re.fullmatch(r"[0-9a-f]{32}", word) and "kms" not in encryption
    return Checksum("md5", word) if plain else None


class Hashers:
    """Several hash algorithms over one stream."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashers: dict[str, Any] = {
            name: hashlib.new(name, usedforsecurity=False) for name in sorted(set(algorithms))
        }

    def update(self, block: bytes | memoryview) -> None:
        """Hash the next block."""
        for one in self._hashers.values():
            one.update(block)

    def digests(self) -> dict[str, str]:
        """Return the digests so far, by algorithm."""
        return {name: one.hexdigest() for name, one in self._hashers.items()}
