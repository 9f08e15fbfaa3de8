"""The inputs of an execute request as the input object of a run.

The standard writes a value as it is, an object as ``{"value": …}`` (``qualifiedInputValue.yaml``), a file as text in
base64, as ``{"value": …, "mediaType": …, "encoding": …}``, or as a link. A file becomes an upload of the run: no value
of a client is ever a path on the server.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import mimetypes
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generator.notebook.interface import Input, Interface
from generator.notebook.literals import MisfitError
from generator.notebook.ogc_description import crs84
from generator.notebook.parameters import CwlType, Format
from generator.notebook.schemas import input_media_type, is_file
from generator.runner.server.ogc.errors import invalid_value
from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.values.archives import unpack
from generator.runner.server.values.caller_files import Upload
from generator.runner.server.values.room import Room
from generator.shared.file_names import portable_name

_QUALIFIERS = frozenset({"value", "mediaType", "encoding", "schema", "format", "uom", "type"})
_LINK_FIELDS = frozenset({"href", "rel", "type", "hreflang", "title", "length"})
_TEXTS = ("text/", "application/json", "application/xml", "application/yaml", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class _Content:
    """The bytes of a file, and its media type if the client names it."""

    data: bytes
    media_type: str | None = None


def input_object(given: Mapping[str, Any], interface: Interface, folder: RunFolder, *, largest: int) -> dict[str, Any]:
    """Return the input object of a run; files are written to its folder.

    Args:
        given: the inputs of the request; unknown ones stay as they are, for the check that all protocols share.
        interface: the interface of the process.
        folder: the run's folder, which exists.
        largest: the bytes that a file may have, and those that the archives of the request may have unpacked.

    Raises:
        ProblemError: 400 (InvalidParameterValue), a value is not of the standard's form.
    """
    known = {one.id: one for one in interface.inputs}
    room = Room(largest)
    return {
        name: _files(value, known[name], folder, room)
        if name in known and is_file(known[name])
        else _inline(value, known.get(name), name)
        for name, value in given.items()
    }


def _inline(value: Any, one: Input | None, name: str) -> Any:
    """Return a value; one occurrence of a list is a list with it."""
    if isinstance(value, list) and not (one is not None and one.hint.format is Format.BBOX):
        return [_unqualified(item, name) for item in value]
    if one is not None and one.hint.format is Format.BBOX:
        return _bbox(value, name)
    plain = _unqualified(value, name)
    is_single = one is not None and one.hint.array and plain is not None and not isinstance(plain, list)
    return [plain] if is_single else plain


def _bbox(value: Any, name: str) -> Any:
    """Return the numbers of a bounding box, which the standard writes as an object (``bbox.yaml``)."""
    plain = _unqualified(value, name)
    if not isinstance(plain, dict) or "bbox" not in plain:
        return plain
    if plain.get("crs", crs84[0]) not in crs84 or not plain.keys() <= {"bbox", "crs"}:
        raise invalid_value(f"input {name!r}: is a bounding box with 'crs' {crs84[0]!r}, in degrees, longitude first")
    return plain["bbox"]


def _unqualified(value: Any, name: str) -> Any:
    if isinstance(value, dict) and "value" in value and value.keys() <= _QUALIFIERS:
        return value["value"]
    if isinstance(value, dict) and "href" in value and value.keys() <= _LINK_FIELDS:
        raise invalid_value(f"input {name!r}: values are not fetched from addresses; write the value itself")
    return value


def _files(value: Any, one: Input, folder: RunFolder, room: Room) -> Any:
    if value is None:
        return None
    items = value if isinstance(value, list) else [value]
    if len(items) != 1 and not one.hint.array:
        raise invalid_value(f"input {one.id!r}: takes one {_kind(one)}, not {len(items)}")
    files = [_file(item, one, number, folder, room) for number, item in enumerate(items)]
    return files if one.hint.array else files[0]


def _file(value: Any, one: Input, number: int, folder: RunFolder, room: Room) -> Upload | dict[str, Any]:
    """Return a file of the request, or the address of one that the run fetches if the operator allows it."""
    if isinstance(value, dict) and "value" not in value and "href" in value:
        return _linked_file(value["href"], one)
    content = _content(value, one)
    if len(content.data) > room.size:
        raise invalid_value(f"input {one.id!r}: has {len(content.data)} bytes; the limit is {room.size}")
    name = f"{one.id}-{number}" if one.hint.array else one.id
    folder.uploads.mkdir(mode=0o700, exist_ok=True)
    if one.hint.type is CwlType.DIRECTORY:
        path = folder.uploads / _safe_name(name)
        try:
            unpack(io.BytesIO(content.data), path, room)
        except MisfitError as error:
            raise invalid_value(f"input {one.id!r}: {error}") from None
        return Upload(path)
    path = folder.uploads / _safe_name(f"{name}{_ending(content, one)}")
    try:
        with path.open("xb") as file:
            file.write(content.data)
    except FileExistsError:  # of an input whose identifier ends like the number of a file of a list
        raise invalid_value(f"input {one.id!r}: is the second file named {path.name!r} in this request") from None
    return Upload(path)


def _linked_file(address: Any, one: Input) -> dict[str, Any]:
    if not isinstance(address, str) or not address.startswith(("http://", "https://")):
        raise invalid_value(f"input {one.id!r}: its 'href' is not an address that starts with http:// or https://")
    return {"class": str(one.hint.type), "location": address}


def _content(value: Any, one: Input) -> _Content:
    """Return the bytes of a file that a request has as a value."""
    if isinstance(value, str):
        return _Content(_decoded(value, one))
    if not isinstance(value, dict) or "value" not in value:
        raise invalid_value(
            f"input {one.id!r}: is not a {_kind(one)}; write its bytes as text in base64, "
            'or as {"value": "…", "mediaType": "…", "encoding": "base64"}'
        )
    media_type, encoding = _text_field(value, "mediaType", one), _text_field(value, "encoding", one)
    body = value["value"]
    if not isinstance(body, str):
        return _Content(json.dumps(body).encode(), media_type or "application/json")
    is_text = encoding is None and (media_type or "").startswith(_TEXTS)
    if encoding not in (None, "base64", "binary") and encoding.lower() not in ("utf-8", "utf8"):
        raise invalid_value(f"input {one.id!r}: the encoding {encoding!r} is not 'base64'")
    is_text = is_text or (encoding or "").lower() in ("utf-8", "utf8")
    return _Content(body.encode() if is_text else _decoded(body, one), media_type)


def _text_field(value: Mapping[str, Any], name: str, one: Input) -> str | None:
    """Return a qualifier, which older clients write in an object ``format``."""
    form = value.get("format")
    found = value.get(name, form.get(name) if isinstance(form, dict) else None)
    if found is not None and not isinstance(found, str):
        raise invalid_value(f"input {one.id!r}: its {name!r} is not a text")
    return found


def _decoded(text: str, one: Input) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise invalid_value(
            f"input {one.id!r}: the {_kind(one)} is not valid base64; for text, write "
            '{"value": "…", "mediaType": "text/plain"}'
        ) from None


def _kind(one: Input) -> str:
    return "folder as a ZIP archive" if one.hint.type is CwlType.DIRECTORY else "file"


def _ending(content: _Content, one: Input) -> str:
    """Return the extension of a file: that of its media type, else that of the author's own file."""
    media_type = (content.media_type or input_media_type(one)).partition(";")[0].strip().lower()
    own = _author_ending(one)
    if content.media_type is None or (own and media_type == input_media_type(one)):
        return own
    return mimetypes.guess_extension(media_type) or own


def _author_ending(one: Input) -> str:
    default = one.default[0] if isinstance(one.default, list | tuple) and one.default else one.default
    path = default.get("path") if isinstance(default, dict) else default
    return posixpath.splitext(path)[1] if isinstance(path, str) else ""


def _safe_name(name: str) -> str:
    return portable_name(name.replace("/", "_")).lstrip(".") or "file"
