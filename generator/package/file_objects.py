"""CWL's File and Directory objects in the values of a run.

An engine takes every mapping of class File or Directory for a file, at any depth: in a value of type Any, in a record,
in ``secondaryFiles``. The functions here see the same objects. `resolve` gives each local one an absolute file URI,
which leaves an engine nothing to interpret: no relative path, no percent-encoding of another path.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from generator.notebook.literals import MisfitError
from generator.shared.errors import UsageError
from generator.shared.file_names import shown_name

_shared = {"class": str, "location": str, "path": str, "basename": str}
_computed = {"dirname": str, "nameroot": str, "nameext": str}
"""Fields that an engine sets itself (CWL v1.2, "File"); a given value is dropped."""
_fields: dict[str, dict[str, type]] = {
    "File": _shared
    | _computed
    | {"checksum": str, "size": int, "secondaryFiles": list, "format": str, "contents": str},
    "Directory": _shared | {"dirname": str, "listing": list},
}


def is_file_object(value: Any) -> bool:
    """Whether an engine takes the value for a file or a folder."""
    return isinstance(value, dict) and isinstance(value.get("class"), str) and value["class"] in _fields


def file_objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every File and Directory object of a value, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from file_objects(item)
    elif isinstance(value, dict):
        if is_file_object(value):
            yield value
        for item in value.values():
            yield from file_objects(item)


def resolve(value: Any, folder: Path) -> Any:
    """Check the File and Directory objects in a value, and make their paths absolute, from ``folder``.

    Raises:
        MisfitError: an object has a field that CWL does not define, a wrong type, or a name that is not plain.
    """
    if isinstance(value, list):
        return [resolve(item, folder) for item in value]
    if not isinstance(value, dict):
        return value
    if is_file_object(value):
        return _resolve_object(value, folder)
    return {key: resolve(item, folder) for key, item in value.items()}


def _resolve_object(value: dict[str, Any], folder: Path) -> dict[str, Any]:
    kind = value["class"]
    given = {key: item for key, item in value.items() if item is not None}
    for key, item in given.items():
        needed = _fields[kind].get(key)
        if needed is None:
            known = ", ".join(sorted(_fields[kind]))
            raise MisfitError(f"has a {kind} with the unknown field {key!r}; the fields are {known}")
        if not isinstance(item, needed):
            advice = "write it in quotes" if needed is str else f"a {needed.__name__} is needed"
            raise MisfitError(f"has a {kind} whose {key} is {item!r}; {advice}")
    _check_name(kind, given)
    for key in ("secondaryFiles", "listing"):
        if not all(is_file_object(item) for item in given.get(key, ())):
            raise MisfitError(f"has a {kind} whose {key} lists something other than a File or a Directory")
        if key in given:
            given[key] = resolve(given[key], folder)
    place = _place(kind, given, folder)
    kept = {key: item for key, item in given.items() if key not in ("path", "location", *_computed)}
    return {**kept, **({"location": place} if place else {})}


def _check_name(kind: str, given: dict[str, Any]) -> None:
    """Check the name under which an engine puts a file into a folder."""
    name = given.get("basename")
    if name is not None and (name in ("", ".", "..") or "/" in name or not name.isprintable()):
        raise MisfitError(f"has a {kind} whose basename is {name!r}; a name without '/' is needed")


def _place(kind: str, given: dict[str, Any], folder: Path) -> str | None:
    """Return the absolute URI of an object, None for a literal; ``location`` wins over ``path`` (CWL v1.2, "File")."""
    if "location" not in given and "path" not in given:
        literal = "contents" if kind == "File" else "listing"
        if literal not in given:
            raise MisfitError(f"has a {kind} without a path; write it as {{class: {kind}, path: ...}}")
        return None
    text = str(given.get("location", given.get("path")))
    if re.match("(?i)file:", text):
        path = _unquoted(re.sub("(?i)^file:(//(localhost)?(?=/))?", "", text))
        if not path.startswith("/") or path.startswith("//"):
            raise MisfitError(f"has a {kind} at {text!r}; a file URL starts with file:///")
    elif re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        return text
    else:
        path = _unquoted(text) if "location" in given else text
    if "\0" in path or not path:
        raise MisfitError(f"has a {kind} whose path is {path!r}")
    return Path(os.path.abspath(folder / path)).as_uri()  # noqa: PTH100 - links keep their names


def local_path(value: dict[str, Any]) -> Path | None:
    """Return the path of a resolved local object; None for a remote object or a literal."""
    place = value.get("location", "")
    return Path(_unquoted(place.removeprefix("file://"))) if place.startswith("file:///") else None


def _unquoted(text: str) -> str:
    """Decode a path in a URI; names of files are bytes, which do not have to be UTF-8."""
    try:
        return os.fsdecode(unquote_to_bytes(os.fsencode(text)))
    except UnicodeEncodeError:  # half a surrogate pair, which no name of a file has
        return unquote(text)


def address(value: dict[str, Any]) -> str | None:
    """Return the address of a resolved remote object; None for other objects."""
    place = value.get("location")
    return place if place and not place.startswith("file:///") else None


def missing_files(value: Any) -> list[str]:
    """List the local paths of a resolved value that do not exist."""
    paths = (local_path(one) for one in file_objects(value))
    return [str(path) for path in paths if path and not _exists(path)]


def misnamed_files(value: Any) -> list[str]:
    """List the local paths of a resolved value that exist and are not UTF-8.

    CWL engines read the path in a URI as UTF-8, and do not find such a file.
    """
    paths = (local_path(one) for one in file_objects(value))
    return [shown_name(str(path)) for path in paths if path and _exists(path) and not _is_utf8(str(path))]


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def unreadable_files(value: Any) -> list[str]:
    """List the local paths of a resolved value that exist and that this process may not read.

    A container engine mounts them nevertheless: it runs as root, and outside of the limits of a service's job.
    """
    paths = (local_path(one) for one in file_objects(value))
    return [str(path) for path in paths if path and _exists(path) and not _is_readable(path)]


def _is_readable(path: Path) -> bool:
    """Whether a file or folder can be opened: of Landlock, access(2) knows nothing."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def refuse_local_files(value: Any, folder: Path) -> None:
    """Refuse files of this machine that are not in ``folder``, at any depth.

    Raises:
        UsageError: the value has one, or a malformed File or Directory.
    """
    try:
        resolved = resolve(value, folder)
    except MisfitError as error:
        raise UsageError(f"a value {error}") from None
    for one in file_objects(resolved):
        path, place = local_path(one), address(one) or ""
        refused = not _is_below(path, folder) if path else bool(place) and not re.match("https?://", place)
        if refused:
            raise UsageError(f"{path or place}: local files are not allowed here; give an https URL")


def is_inside(value: Any, folder: Path) -> bool:
    """Whether every file of a resolved value is in ``folder``, links included."""
    return not outside(value, folder)


def outside(value: Any, folder: Path) -> list[str]:
    """List the paths and addresses of a resolved value outside ``folder``, with links followed."""
    places = [(local_path(one), address(one)) for one in file_objects(value)]
    local = [str(path) for path, _ in places if path and not _is_below(path, folder)]
    return local + [elsewhere for _, elsewhere in places if elsewhere]


def _is_below(path: Path, folder: Path) -> bool:
    """Whether a path, and everything in it where it is a folder, is in ``folder`` with all links followed."""
    try:
        top = folder.resolve()
        inner = (Path(root, name) for root, folders, files in os.walk(path) for name in (*folders, *files))
        links = (one for one in inner if one.is_symlink())
        return path.resolve().is_relative_to(top) and all(one.resolve().is_relative_to(top) for one in links)
    except (OSError, RuntimeError, ValueError):  # a name too long, a link to itself
        return False


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
