"""Bodies of HTTP answers, decoded, and complete."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import requests

from generator.staging.stores import TransientError
from generator.staging.stores.http_failures import BROKEN_CONNECTIONS, describe_failure

_INFLATED = {"gzip": True, "x-gzip": True, "deflate": False}
"""Encodings (RFC 9110, "Content Codings") that are decoded here, and whether they are gzip."""
_MOST_ENCODINGS = 5
"""Encodings of one answer; urllib3 refuses more."""
_MAGIC = b"\x1f\x8b"
_GZIP, _ZLIB, _RAW = 31, 15, -15
"""Window sizes of zlib that also choose the format."""


class BodyStream:
    """The body of a response; broken connections are transient errors, and so are encoded streams without their end."""

    def __init__(self, response: requests.Response, *, decoded: bool) -> None:
        self._response = response
        self._read = _open_reader(response) if decoded else _raw_reader(response)

    def read(self, size: int, /) -> bytes:
        """See `Stream.read`."""
        try:
            return self._read(size)
        except zlib.error:
            raise TransientError("the content does not match its Content-Encoding") from None
        except BROKEN_CONNECTIONS as error:
            raise TransientError(describe_failure(error)) from None

    def close(self) -> None:
        """See `Stream.close`."""
        self._response.close()


def _raw_reader(response: requests.Response, *, decode: bool = False) -> Callable[[int], bytes]:
    """Return a function that reads the bytes received, not all that were asked for: those before a stall count."""
    raw: Any = response.raw
    return lambda size: bytes(raw.read1(size, decode_content=decode))


def _open_reader(response: requests.Response) -> Callable[[int], bytes]:
    """Return a function that reads decoded bytes; urllib3 decodes other encodings than those of `_INFLATED`."""
    names = [one.strip().lower() for one in response.headers.get("Content-Encoding", "").split(",")]
    names = [one for one in names if one not in ("", "identity")]
    if len(names) > _MOST_ENCODINGS or not all(one in _INFLATED for one in names):
        return _raw_reader(response, decode=True)
    read = _raw_reader(response)
    for name in reversed(names):
        read = _Inflater(read, is_gzip=_INFLATED[name]).read
    return read


class _Inflater:
    """Decodes gzip (RFC 1952), or deflate with or without its header (RFC 1950, 1951), up to the end of the stream.

    urllib3 takes a stream that was cut for a whole one.
    """

    def __init__(self, read: Callable[[int], bytes], *, is_gzip: bool) -> None:
        self._read, self._is_gzip = read, is_gzip
        self._waiting = b""
        self._decoder: Any = None
        self._has_ended, self._is_over = False, False

    def read(self, size: int) -> bytes:
        """Read up to ``size`` decoded bytes; b'' at the end.

        Raises:
            zlib.error: the content is not of this encoding.
            TransientError: the content ends before its stream.
        """
        while not self._is_over:
            block = self._waiting or self._read(size)
            found = self._decode(block, size)
            if found or not block:
                return found
        return b""

    def _decode(self, block: bytes, size: int) -> bytes:
        """Decode a block; an empty one is the end of the content."""
        self._waiting = b""
        if not self._decoder and not (block := self._begin(block)):
            return b""
        found = bytes(self._decoder.decompress(block, size))
        self._waiting = self._decoder.unconsumed_tail or self._decoder.unused_data
        if self._decoder.eof:
            self._decoder, self._has_ended = None, True
        elif not block and not found:
            raise TransientError("the content ends before its Content-Encoding does")
        return found

    def _begin(self, block: bytes) -> bytes:
        """Begin the stream, or the next member of gzip; return its first bytes, b'' if other bytes or none follow."""
        if self._has_ended:
            block = block.lstrip(b"\0")  # as gzip itself and Python's module do
        if len(block) == 1:
            block += self._read(1)
        if self._has_ended and not (self._is_gzip and block.startswith(_MAGIC)):
            self._is_over = bool(block)
            return b""
        if block:
            has_header = block[0] & 15 == 8 and int.from_bytes(block[:2], "big") % 31 == 0
            self._decoder = zlib.decompressobj(_GZIP if self._is_gzip else _ZLIB if has_header else _RAW)
        return block
