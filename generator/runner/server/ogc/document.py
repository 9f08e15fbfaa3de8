"""Results as one JSON document (``results.yaml``): values inline, or links."""

from __future__ import annotations

import base64
import errno
import json
import os
from collections.abc import Iterable
from typing import Any

from generator.runner.server.ogc.addresses import Addresses
from generator.runner.server.ogc.results import Result, ResultFile
from generator.shared.regular_files import NotRegularFileError, open_regular_file

_MOST_INLINE = 32 * 1024**2
"""Bytes of all inline values of a document, which is built in memory; larger files become links."""

_REPLACED = (errno.ELOOP, errno.ENXIO)
"""Errors of opening a link, and of opening a socket."""


def results_document(run_id: str, results: Iterable[Result], addresses: Addresses) -> dict[str, Any]:
    """Return the results of a run; folders, and files that are too large for the document, are links in any mode."""
    left = _MOST_INLINE
    document: dict[str, Any] = {}
    for result in results:
        values = []
        for number, file in enumerate(result.files):
            data = None if result.by_reference or file.is_folder else _read(file, left)
            if data is None:
                values.append(_link(file, result_address(run_id, result, number, addresses)))
                continue
            left -= len(data)
            values.append(_value(file, data))
        document[result.id] = values if result.is_list else values[0]
    return document


def result_address(run_id: str, result: Result, number: int, addresses: Addresses) -> str:
    """Return the address of one file of a result; a folder is an archive there."""
    file = result.files[number]
    if file.is_folder:
        return addresses.result(run_id, result.id)
    return addresses.output_file(run_id, file.relative)


def _link(file: ResultFile, address: str) -> dict[str, Any]:
    return {"href": address, "type": file.media_type, "title": file.path.name}


def _read(file: ResultFile, largest: int) -> bytes | None:
    """Return the content of a file as it is now; None if it is larger, or another kind of file has its name by now.

    A program that a notebook left behind can still write to it or replace it.
    """
    try:
        with open_regular_file(file.path, follow_links=False) as stream:
            size = os.fstat(stream.fileno()).st_size
            return None if size > largest else stream.read(size)
    except OSError as error:
        if isinstance(error, NotRegularFileError) or error.errno in _REPLACED:
            return None
        raise


def _value(file: ResultFile, data: bytes) -> dict[str, Any]:
    """Return a file as a qualified value: JSON as it is, text as text, and everything else in base64."""
    media_type = file.media_type
    if media_type.endswith(("/json", "+json")):
        try:
            return {"value": json.loads(data), "mediaType": media_type}
        except (ValueError, RecursionError):
            pass
    if media_type.startswith("text/"):
        try:
            return {"value": data.decode(), "mediaType": media_type}
        except UnicodeDecodeError:
            pass
    return {"value": base64.b64encode(data).decode("ascii"), "mediaType": media_type, "encoding": "base64"}
