"""Files among the values of a run, as callers name them: uploads, contents in JSON, addresses and paths.

A caller never names a file of the machine. What a run may read is what the request brought, what the notebook's own
cell names, and files of the served folder that the operator opened (``serve --readable``).
"""

from __future__ import annotations

import base64
import binascii
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generator.notebook.interface import Input, Interface
from generator.notebook.literals import MisfitError, shorten
from generator.notebook.parameters import CwlType, Missing
from generator.runner.server.values.file_rules import FileRules
from generator.runner.server.values.names import folder_name, plain_name, plain_path
from generator.runner.server.values.room import MOST_ENTRIES
from generator.runner.server.values.texts import inputs_by_name

_kinds = ("File", "Directory")
_fields = {"class", "path", "location", "contents", "encoding", "basename", "listing"}
_sources = ("path", "location", "contents", "listing")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file or a folder that a request brought, in the run's folder. No JSON of a caller can become one."""

    path: Path


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file of a request that is to be written before the run; ``archive`` is a ZIP of the folder at ``path``."""

    path: Path
    data: bytes = field(repr=False)
    archive: bool = False


@dataclass(kw_only=True, slots=True)
class ReadValues:
    """The input object of a run, the files that belong to it, and what is wrong, by the input's name."""

    inputs: dict[str, Any] = field(default_factory=dict)
    files: dict[Path, NewFile] = field(default_factory=dict)
    folders: set[Path] = field(default_factory=set)
    """Those of listings."""
    issues: dict[str, str] = field(default_factory=dict)


def read_values(
    given: Mapping[str, Any], interface: Interface, *, notebook: str, uploads: Path, rules: FileRules
) -> ReadValues:
    """Read the values of a request: names become ids, and files objects whose paths a run may read.

    Relative paths start at the folder of ``notebook``, a path in the served folder. Nothing is written: contents come
    back as files to write below ``uploads``.
    """
    known = inputs_by_name(interface)
    read = ReadValues()
    for name, value in given.items():
        one = known.get(name)
        key = one.id if one else name
        if key in read.inputs:
            read.issues[key] = f"{name}: the value is given twice, as {one.name!r} and as {one.id!r}" if one else name
            continue
        folder = uploads / folder_name(key)
        reading = _Reading(one=one, rules=rules, base=posixpath.dirname(notebook), folder=folder, read=read)
        read.inputs[key] = None
        try:
            read.inputs[key] = reading.value(value)
        except MisfitError as error:
            read.issues[key] = f"{name} {error}"
    return read


@dataclass(kw_only=True, slots=True)
class _Reading:
    """The reading of one input."""

    one: Input | None
    rules: FileRules
    base: str
    folder: Path
    read: ReadValues

    def value(self, value: Any) -> Any:
        if self.one is None or self.one.hint.type not in (CwlType.FILE, CwlType.DIRECTORY):
            return self._plain(value)
        if value is None or value == self._default():  # what the cell has: the notebook reads it anyway
            return None
        if isinstance(value, list):
            return [self._file(item) for item in value]
        return self._file(value)

    def _plain(self, value: Any) -> Any:
        """Return the value of a parameter that is not a file; the objects of files in it are files all the same."""
        if isinstance(value, Upload):
            raise MisfitError("is not a file; send its value as text")
        if isinstance(value, list):
            return [self._plain(item) for item in value]
        if isinstance(value, dict):
            is_file = value.get("class") in _kinds and any(name in value for name in _sources)
            return self._absolute(value) if is_file else {name: self._plain(item) for name, item in value.items()}
        return value

    def _absolute(self, value: dict[str, Any]) -> Any:
        """Return the object of a file with an absolute path: its place in the value does not tell that it is a file."""
        read = self._object(value)
        if not isinstance(read, str):
            return read
        return {"class": value["class"], "path": str(self.rules.root / self.base / read)}

    def _file(self, value: Any) -> Any:
        if isinstance(value, Upload):
            return _entry("Directory" if value.path.is_dir() else "File", value.path)
        if isinstance(value, str):
            return self._named(value, str(self.one.hint.type) if self.one else "File")
        return self._object(value) if isinstance(value, dict) else value

    def _object(self, value: dict[str, Any]) -> Any:
        kind = value.get("class", str(self.one.hint.type) if self.one else "")
        if kind not in _kinds:
            raise MisfitError(f"has the class {shorten(kind)}; give 'File' or 'Directory'")
        if unknown := sorted(value.keys() - _fields):
            raise MisfitError(f"has the field {unknown[0]!r}; known are {', '.join(sorted(_fields))}")
        sources = [name for name in _sources if value.get(name) is not None]
        if len(sources) != 1:
            found = " and ".join(sources) or "no contents"
            raise MisfitError(f"is a {kind} with {found}; give one of 'contents' and 'location'")
        if sources[0] in ("path", "location"):
            named = value[sources[0]]
            if not isinstance(named, str):
                raise MisfitError(f"has the {sources[0]} {shorten(named)}, which is not text")
            return self._named(named, kind)
        return self._literal(value, kind, self.folder)

    def _named(self, text: str, kind: str) -> Any:
        return self.rules.find(text, kind, base=self.base, own=self._own_texts())

    def _literal(self, value: dict[str, Any], kind: str, folder: Path) -> dict[str, Any]:
        """Return the object of a file or folder whose contents are in the request (CWL v1.2, "File literals")."""
        path = folder / plain_name(self._basename(value, kind))
        plain_path(path.relative_to(self.folder).as_posix())
        if path in self.read.files or path in self.read.folders:
            raise MisfitError(f"has two entries with the name {path.name!r}; give each a 'basename' of its own")
        if len(self.read.files) + len(self.read.folders) == MOST_ENTRIES:
            raise MisfitError(f"makes more than {MOST_ENTRIES} files and folders of this request; send an archive")
        if value.get("listing") is not None:
            return self._listing(value["listing"], kind, path)
        data = _contents(value)
        self.read.files[path] = NewFile(path, data, archive=kind == "Directory")
        size = {"size": len(data)} if kind == "File" else {}
        return {"class": kind, "path": str(path), "basename": path.name, **size}

    def _listing(self, listing: Any, kind: str, path: Path) -> dict[str, Any]:
        if kind != "Directory" or not isinstance(listing, list):
            raise MisfitError("has a 'listing', which is the list of the files of a Directory")
        before = len(self.read.files)
        self.read.folders.add(path)
        for item in listing:
            if not isinstance(item, dict) or item.get("class") not in _kinds or not _has_contents(item):
                raise MisfitError("has an entry in 'listing' that is not a File with 'contents' or a Directory")
            if not isinstance(item.get("basename"), str):
                raise MisfitError("has an entry in 'listing' without a 'basename'")
            self._literal(item, item["class"], path)
        if len(self.read.files) == before:
            raise MisfitError("is a folder without files")
        return {"class": "Directory", "path": str(path), "basename": path.name}

    def _basename(self, value: dict[str, Any], kind: str) -> str:
        """Return the name of a literal: its own, else the name in the cell, whose ending a notebook may depend on."""
        given = value.get("basename")
        if given is not None and not isinstance(given, str):
            raise MisfitError("has a 'basename' that is not text")
        if given:
            return given
        own = posixpath.basename(next(iter(self._own_texts()), "").rstrip("/"))
        name = own if own and kind == "File" else self.folder.name
        is_taken = self.folder / name in (self.read.files.keys() | self.read.folders)
        return f"{len(self.read.files) + 1}-{name}" if is_taken else name

    def _default(self) -> Any:
        default = self.one.default if self.one else Missing.UNSET
        return list(default) if isinstance(default, tuple) else default

    def _own_texts(self) -> list[str]:
        default = self._default()
        return [item for item in (default if isinstance(default, list) else [default]) if isinstance(item, str)]


def _has_contents(value: dict[str, Any]) -> bool:
    return (value.get("contents") is None) != (value.get("listing") is None)


def _entry(kind: str, path: Path) -> dict[str, Any]:
    size = {"size": path.stat().st_size} if kind == "File" else {}
    return {"class": kind, "path": str(path), "basename": path.name, **size}


def _contents(value: dict[str, Any]) -> bytes:
    text, encoding = value["contents"], value.get("encoding")
    if not isinstance(text, str):
        raise MisfitError("has 'contents' that are not text")
    if encoding in (None, "utf-8"):
        return text.encode()
    if encoding != "base64":
        raise MisfitError(f"has the encoding {shorten(encoding)}; give 'base64', or none for text")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MisfitError("has 'contents' that are not base64") from None
