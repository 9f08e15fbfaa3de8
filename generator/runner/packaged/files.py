"""Convert the files and folders of a run to the form that the process's own default has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from generator.notebook.interface import Input, type_name
from generator.notebook.literals import MisfitError, shorten
from generator.notebook.parameters import CwlType, Format, Literal
from generator.notebook.stage_ins import is_given_with_slash
from generator.runner.packaged.earth_values import check_geojson_file

if TYPE_CHECKING:
    from typing import TypeGuard

_kinds = ("File", "Directory")


def absolute_files(value: Any, folder: Path) -> Any:
    """Return a value whose File and Directory objects have absolute paths; relative ones start at ``folder``.

    An engine writes absolute paths; in a file that a person wrote, they start at the file's folder (CWL v1.2, "File").
    """
    if isinstance(value, list):
        return [absolute_files(item, folder) for item in value]
    if not isinstance(value, dict):
        return value
    items = {name: absolute_files(item, folder) for name, item in value.items()}
    if items.get("class") in _kinds:
        if _is_relative(path := items.get("path")):
            items["path"] = os.path.abspath(folder / path)  # noqa: PTH100 - links keep their names
        if _is_relative(location := items.get("location")):
            items["location"] = Path(os.path.abspath(folder / unquote(location))).as_uri()  # noqa: PTH100
    return items


def _is_relative(text: Any) -> TypeGuard[str]:
    return isinstance(text, str) and text != "" and "://" not in text and not text.startswith(("/", "file:"))


def file_value(value: Any, one: Input, folder: Path) -> Literal:
    """Convert the File or Directory objects, or the paths, of one input; relative paths start at ``folder``.

    Raises:
        MisfitError: the value is of another class, a list instead of one, one instead of a list, or has no path.
    """
    if not one.hint.array:
        return _convert(value, one, folder)
    if not isinstance(value, list | tuple):
        raise _misfit(_describe(value), one)
    return [_convert(item, one, folder) for item in value]


def _convert(value: Any, one: Input, folder: Path) -> Literal:
    kind = str(one.hint.type)
    if isinstance(value, str):
        _check_kind(value, one, folder)
        if not one.as_path:
            return {"class": kind, "path": value}
        return path_text(value, slash=_needs_slash(one)) if value else value
    if not isinstance(value, dict) or value.get("class", kind) != kind:
        raise _misfit(_describe(value), one)
    _check_kind(_path(value), one, folder)
    return path_text(value, slash=_needs_slash(one)) if one.as_path else value


def path_text(value: Any, *, slash: bool) -> Any:
    """Return the path of a File or a Directory, or the paths in a list; ``slash`` ends the path of a folder.

    Raises:
        MisfitError: the value has no path.
    """
    if isinstance(value, list):
        return [path_text(item, slash=slash) for item in value]
    path = _path(value) if isinstance(value, dict) else value
    if not isinstance(path, str) or not path:
        raise MisfitError(f"is {_describe(value)} without a path; give its path")
    return f"{path.rstrip('/')}/" if slash else path


def _check_kind(path: str, one: Input, folder: Path) -> None:
    """Refuse an existing folder where a file is needed, and the reverse."""
    if one.hint.type is CwlType.FILE and path and os.path.isdir(folder / path):  # noqa: PTH112 - never raises
        raise _misfit(f"the folder {path!r}", one)
    if one.hint.type is CwlType.DIRECTORY and os.path.isfile(folder / path):  # noqa: PTH113
        raise _misfit(f"the file {path!r}", one)
    if one.hint.format is Format.GEOJSON and path and "://" not in path:
        check_geojson_file(folder / path)


def _path(value: dict[str, Any]) -> str:
    if path := value.get("path"):
        return str(path)
    location = str(value.get("location") or "")
    return unquote(location.removeprefix("file://")) if location.startswith("file:///") else location


def _needs_slash(one: Input) -> bool:
    return one.hint.type is CwlType.DIRECTORY and is_given_with_slash(one.default)


def _misfit(found: str, one: Input) -> MisfitError:
    kind = type_name(one.hint)
    number = "one" if found.startswith("a list") else "a"
    needed = f"a list of {one.hint.type} objects" if one.hint.array else f"{number} {kind}"
    example = f'{{"class": "{one.hint.type}", "path": "…"}}'
    return MisfitError(f"is {found}, but {needed} is needed: {f'[{example}]' if one.hint.array else example}")


def _describe(value: Any) -> str:
    if isinstance(value, dict) and value.get("class") in _kinds:
        return f"a {value['class']}"
    if isinstance(value, list | tuple):
        kinds = sorted({_describe(item) for item in value})
        return f"a list with {kinds[0]}" if len(kinds) == 1 else "a list"
    return shorten(value)
