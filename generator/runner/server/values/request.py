"""The body of a request that starts a run, as JSON, a form, or a form with files: one reading for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool

from generator.notebook.interface import Input
from generator.notebook.literals import MisfitError
from generator.notebook.parameters import CwlType
from generator.notebook.schemas import is_file
from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.context import Context
from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.model import new_run_id
from generator.runner.server.values.archives import unpack_in_place
from generator.runner.server.values.bodies import parse_body, read_bytes
from generator.runner.server.values.caller_files import Upload
from generator.runner.server.values.multipart import Part, read_parts, text_part
from generator.runner.server.values.room import Room
from generator.runner.server.values.strict_json import read_json, read_json_object
from generator.runner.server.values.texts import inputs_by_name, typed_values

_forms = ("application/x-www-form-urlencoded", "multipart/form-data")
_MOST_FIELDS = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """A body: an object of JSON, or the parts of a form, whose files are in the folder of the run ``run_id``."""

    document: Mapping[str, Any] | None = None
    parts: Sequence[Part] = ()
    run_id: str = field(default_factory=new_run_id)

    def text(self, name: str) -> str | None:
        """Return the text of a form's field; None if it is missing."""
        found = [part for part in self.parts if part.name == name]
        value = text_part(found[-1]).value if found else None
        return value if isinstance(value, str) else None


async def read_body(request: Request, context: Context) -> Body:
    """Read the body of a request that may have files; `discard` removes them if no run is queued.

    Raises:
        ProblemError: 400, the body is not valid; 413, it is too large; 415, it has another media type.
    """
    if (encoding := request.headers.get("content-encoding", "identity")) != "identity":
        raise ProblemError(415, f"the body has the encoding {encoding}; send it without (identity)")
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    media_type = kind.decode("latin-1").strip()
    if media_type == "multipart/form-data":
        return await _read_multipart(request, context, options.get(b"boundary", b""))
    data = await read_bytes(request, context.limits.body)
    if media_type == _forms[0] and not data.lstrip().startswith(b"{"):  # curl -d sends JSON as such a form, too
        return Body(parts=await run_in_threadpool(_read_form, data))  # which takes seconds for a large one
    if media_type not in ("", "application/json", *_forms) and not media_type.endswith("+json"):
        raise ProblemError(415, f"the body is {media_type}; send application/json, {' or '.join(_forms)}")
    return Body(document=await parse_body(read_json_object, data))


async def read_form(request: Request, limit: int) -> Body:
    """Read a form of somebody who has no token yet: small, and without files.

    Raises:
        ProblemError: 400, the body is not valid; 413, it is larger than ``limit``; 415, it has another media type.
    """
    kind, _ = parse_options_header(request.headers.get("content-type", ""))
    if kind.decode("latin-1").strip() != _forms[0]:
        raise ProblemError(415, f"the body is not a form; send {_forms[0]}")
    return Body(parts=_read_form(await read_bytes(request, limit, advice="")))


async def _read_multipart(request: Request, context: Context, boundary: bytes) -> Body:
    if not 1 <= len(boundary) <= 70:  # RFC 2046, section 5.1.1
        raise ProblemError(400, "the body is not valid multipart/form-data: its Content-Type has no valid boundary")
    body = Body()
    folder = context.folder(body.run_id)
    folder.create()
    try:
        limits = {"texts": context.limits.body, "limit": context.limits.upload}
        parts = await read_parts(request.stream(), boundary, folder.uploads, **limits)
    except BaseException:
        folder.remove()
        raise
    return Body(parts=parts, run_id=body.run_id)


def _read_form(data: bytes) -> list[Part]:
    try:
        pairs = parse_qsl(data.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise ProblemError(400, f"the body is not a valid form: {error}") from None
    return [Part(name, text) for name, text in pairs]


async def values_of_parts(parts: Sequence[Part], notebook: ServedNotebook, context: Context) -> dict[str, Any]:
    """Return the values of a form's fields, which are the parameters of a notebook.

    The files of a Directory are the content of one folder; a ZIP archive alone is unpacked.

    Raises:
        ProblemError: 400, a part is not valid JSON, or an archive cannot be unpacked.
    """
    known = inputs_by_name(notebook.interface)
    parts = await run_in_threadpool(_as_texts, parts, known, context.limits.body)
    texts = [(one.name, one.value) for one in parts if isinstance(one.value, str) and not one.is_json]
    values = typed_values(notebook.interface, texts)
    others: dict[str, list[Part]] = {}
    room = Room(context.limits.upload)
    for part in parts:
        if part.is_json or isinstance(part.value, Upload):
            others.setdefault(part.name, []).append(part)
    for name, given in others.items():
        one = known.get(name)
        key = one.id if one else name
        if one is not None and one.hint.type is CwlType.DIRECTORY:
            read = await run_in_threadpool(_folders, given, one, room)
        else:
            read = _read_parts(given)
        if key in values:  # a field with texts and files
            read += values[key] if isinstance(values[key], list) else [values[key]]
        is_value = len(read) == 1 and (one is None or not one.hint.array or isinstance(read[0], list))
        values[key] = read[0] if is_value else read
    return values


def _as_texts(parts: Sequence[Part], known: Mapping[str, Input], limit: int) -> list[Part]:
    """Return the parts with the texts of those that are files of text for a parameter without files.

    Raises:
        ProblemError: 413, all texts together are larger than ``limit``.
    """
    read = []
    for part in parts:
        one = part if _takes_files(known.get(part.name)) else text_part(part, largest=limit)
        limit -= len(one.value) if isinstance(one.value, str) else 0
        read.append(one)
    return read


def _takes_files(one: Input | None) -> bool:
    return one is None or is_file(one)


def _read_parts(parts: Sequence[Part]) -> list[Any]:
    return [_read_json_part(part.name, part.value) if isinstance(part.value, str) else part.value for part in parts]


def _read_json_part(name: str, text: str) -> Any:
    try:
        return read_json(text)
    except ValueError as error:
        raise ProblemError(400, f"{name}: not valid JSON: {error}") from None


def _folders(parts: list[Part], one: Input, room: Room) -> list[Any]:
    """Return the folders that the files of a field make, and what else the field has."""
    uploads = [part.value.path for part in parts if isinstance(part.value, Upload)]
    others = _read_parts([part for part in parts if isinstance(part.value, str)])
    if not uploads:
        return others
    if not one.hint.array and not (len(uploads) == 1 and uploads[0].suffix.lower() == ".zip"):
        return [Upload(next(part.folder for part in parts if isinstance(part.value, Upload))), *others]
    try:
        for path in uploads:
            unpack_in_place(path, room)
    except MisfitError as error:
        raise ProblemError(400, f"{one.name} {error}") from None
    return [*map(Upload, uploads), *others]


def discard(context: Context, body: Body) -> None:
    """Remove what a request brought, if its run is not to be queued."""
    context.folder(body.run_id).remove()
