"""multipart/form-data (RFC 7578), read as it arrives: texts in memory, files to the run's folder."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from generator.notebook.literals import MisfitError
from generator.runner.server.problems import ProblemError
from generator.runner.server.values.caller_files import Upload
from generator.runner.server.values.names import folder_name, plain_path
from generator.runner.server.values.room import Room
from generator.shared.passing_errors import is_full_disk

_MOST_PARTS = 1000
_BATCH = 1 << 19
_LARGEST_TEXT = 1 << 20
_JSON = "application/json"
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it warns of every mistake of a client


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form: its value is a text, perhaps of JSON, or a file; ``folder`` has all files of the field."""

    name: str
    value: str | Upload
    is_json: bool = False
    folder: Path = Path()
    media_type: str = ""


def text_part(part: Part, *, largest: int = _LARGEST_TEXT) -> Part:
    """Return a part as text if it is sent as a file of text or JSON, which is how JavaScript sends a Blob.

    It may have a mebibyte, or ``largest`` bytes if these are fewer.

    Raises:
        ProblemError: 400, the text is not UTF-8; 413, it is too large.
    """
    if isinstance(part.value, str) or not part.media_type.startswith(("text/", _JSON)):
        return part
    path = part.value.path
    size = path.stat().st_size
    if size > _LARGEST_TEXT:
        raise ProblemError(413, f"{part.name}: the text is larger than {_LARGEST_TEXT} bytes")
    if size > largest:
        raise ProblemError(413, "the texts of the form are larger than this server takes")
    text = _decode(path.read_bytes())
    return Part(part.name, text, is_json=part.media_type == _JSON)


async def read_parts(
    chunks: AsyncIterator[bytes], boundary: bytes, uploads: Path, *, texts: int, limit: int
) -> list[Part]:
    """Read a form; files are written to ``uploads``, each field's to a folder of its own.

    ``limit`` bounds the bytes of the body, and ``texts`` those of the parts that are not files. After a mistake, or if
    the disk is full, the rest of the body is read and dropped: clients read no answer before they have sent all.

    Raises:
        OSError: the disk is full or broken.
        ProblemError: 400, the body is not such a form or a file name is not plain; 413, it is too large.
    """
    form = _Form(uploads, texts)
    problem: Exception | None = None
    try:
        parser = MultipartParser(boundary, form.callbacks())
        async for chunk in _batches(chunks):
            limit -= len(chunk)
            if limit < 0:
                raise ProblemError(413, "the request is larger than this server takes")
            if problem is None:
                problem = await run_in_threadpool(_write, parser, chunk)
        problem = problem or _write(parser, None)
    except FormParserError as error:
        problem = _not_a_form(error)
    finally:
        form.close()
    if problem is None and not form.ended:
        problem = _not_a_form("its end is missing")
    if problem is not None:
        raise problem
    return form.parts


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Join small chunks: each is read in a thread, which costs more than to read it."""
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) >= _BATCH:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _write(parser: MultipartParser, chunk: bytes | None) -> Exception | None:
    try:
        if chunk is None:
            parser.finalize()
        else:
            parser.write(chunk)
    except ProblemError as error:
        return error
    except MisfitError as error:
        return ProblemError(400, f"a part of the form {error}")
    except FormParserError as error:
        return _not_a_form(error)
    except OSError as error:
        if not is_full_disk(error):
            raise
        return error
    return None


def _not_a_form(why: object) -> ProblemError:
    return ProblemError(400, f"the body is not valid multipart/form-data: {why}")


class _Form:
    """The parts of a form, by the callbacks of the parser."""

    def __init__(self, uploads: Path, texts: int) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._uploads, self._texts = uploads, texts
        self._folders: dict[str, Path] = {}
        self._room = Room()
        self._file: BinaryIO | None = None
        self._path = Path()
        self._headers: dict[bytes, bytes] = {}
        self._begin()

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_to_name,
            "on_header_value": self._add_to_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": self._add,
            "on_part_end": self._end,
            "on_end": self._end_form,
        }

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # what is left in its buffer does not fit on a full disk
                self._file.close()

    def _begin(self) -> None:
        self._headers, self._header, self._content = {}, b"", b""
        self._text, self._field, self._is_empty_file = bytearray(), "", False

    def _add_to_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header.lower()] = self._content
        self._header, self._content = b"", b""

    def _open(self) -> None:
        if len(self.parts) == _MOST_PARTS:
            raise ProblemError(413, f"the form has more than {_MOST_PARTS} parts; send an archive")
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise ProblemError(400, "a part of the form has no name: Content-Disposition: form-data; name=… is missing")
        self._field = _decode(options[b"name"])
        if b"filename" in options:
            name = _decode(options[b"filename"])
            self._is_empty_file = not name  # a browser's file field in which nothing was chosen
            if name:
                self._create(name)

    def _create(self, name: str) -> None:
        folder = self._folders.setdefault(self._field, self._uploads / folder_name(self._field))
        self._path = folder / plain_path(name)
        try:
            self._room.make_folder(self._path.parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            self._file = os.fdopen(os.open(self._path, flags, 0o600), "wb")
        except (FileExistsError, NotADirectoryError):
            raise ProblemError(400, f"{self._field}: two files have the name {name!r}; rename one") from None

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(memoryview(data)[start:end])
            return
        self._texts -= end - start
        if self._texts < 0:
            raise ProblemError(413, "the texts of the form are larger than this server takes; send them as files")
        self._text += data[start:end]

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            folder = self._folders[self._field]
            self.parts.append(Part(self._field, Upload(self._path), folder=folder, media_type=self._media_type()))
        elif not self._is_empty_file:
            self.parts.append(Part(self._field, _decode(bytes(self._text)), self._media_type() == _JSON))

    def _media_type(self) -> str:
        kind, _ = parse_options_header(self._headers.get(b"content-type", b""))
        return kind.decode("latin-1")

    def _end_form(self) -> None:
        self.ended = True


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ProblemError(400, "a part of the form is not text in UTF-8") from None
