"""What a container left behind, checked before the CWL engine moves, reads or removes any of it.

The image decides the contents of the output folder: links to files of the host, an output object
(``cwl.output.json``; CWL v1.2, "Output binding") that names any path, pipes that block a reader. `OutputFolder` is the
file access that cwltool collects outputs through: regular files and folders inside the folder pass, links that stay
inside it become the files they point to, and everything else ends the run.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, ClassVar, TypeGuard

from cwltool.errors import WorkflowException
from cwltool.stdfsaccess import StdFsAccess
from schema_salad.ref_resolver import file_uri, uri_file_path

from generator.package.engines.checked_cwltool.kinds import without_hidden
from generator.shared import contract
from generator.shared.file_names import free_portable_path, is_portable, shown_name
from generator.shared.folder_levels import is_too_deep

_logger = logging.getLogger("cwltool")

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_SPECIAL_BITS = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
_LARGEST_OBJECT = 64 << 20
"""Bytes of a ``cwl.output.json`` that is read at all."""
_MOST_COPIES = 100_000
"""Files and folders that links of one output folder may turn into: links to folders can multiply."""
_FIELDS = frozenset(
    ("class", "location", "basename", "nameroot", "nameext", "checksum", "size", "format", "contents", "secondaryFiles")
)
"""What stays of a File or Directory that a container describes. cwltool would put it into its ``dirname``."""


class OutputRefusedError(WorkflowException):  # type: ignore[misc]
    """A container left something that cannot be an output.

    cwltool goes on after this, so ``refusals`` keeps the sentences: after the first, nothing starts and nothing moves.
    """

    refusals: ClassVar[list[str]] = []

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.refusals.append(message)


class OutputFolder(StdFsAccess):
    """File access to the output folder of one container that has ended.

    ``outdir`` is the folder on the host, ``inside`` its path in the container, ``inputs`` the paths on the host of what
    the container was given: an output may also be one of these.
    """

    def __init__(self, outdir: str, *, inside: str, inputs: Collection[str] = ()) -> None:
        super().__init__(outdir)
        self._top = Path(outdir).resolve()
        self._inside = inside.rstrip("/")
        self._inputs = tuple(Path(one).resolve() for one in inputs)
        self._cleared: set[Path] = set()
        self._known: dict[str, Path] = {}  # cwltool asks several times; nothing changes once a container has ended
        self._following: set[Path] = set()
        self._copies = 0

    # What cwltool asks while it collects outputs.

    def glob(self, pattern: str) -> list[str]:
        """Find the outputs that match, as file URIs."""
        results = self._top / contract.output_folder
        if results.is_dir() and not results.is_symlink():
            self.clear(str(results))  # cwltool cannot list files with names that are not UTF-8
        found: list[str] = super().glob(pattern)
        for uri in found:
            if self._path(uri) != Path(self.basedir):  # cwltool asks for the whole folder to know how its URI begins
                self.clear(uri)
        return found

    def exists(self, fn: str) -> bool:
        """Tell whether a file is there; a link that leaves the folder is refused, not followed."""
        if fn in self._known:
            return True
        path = self._path(fn)
        if not os.path.lexists(path):
            return False
        self._real(path)
        return path.exists()

    def isfile(self, fn: str) -> bool:
        """Tell whether an output is a file."""
        return bool(self.exists(fn) and self.clear(fn).is_file())

    def isdir(self, fn: str) -> bool:
        """Tell whether an output is a folder."""
        return bool(self.exists(fn) and self.clear(fn).is_dir())

    def size(self, fn: str) -> int:
        """Give the size of an output in bytes."""
        return self.clear(fn).stat().st_size

    def listdir(self, fn: str) -> list[str]:
        """List a folder of the outputs, as file URIs."""
        return [file_uri(str(path)) for path in self.clear(fn).iterdir()]

    def open(self, fn: str, mode: str) -> IO[Any]:
        """Open an output for reading."""
        if set(mode) - set("rbt"):
            raise OutputRefusedError(f"{self._shown(self._path(fn))}: outputs are only read")
        path = self.clear(fn)
        if path == self._top / contract.output_object_file and path.stat().st_size > _LARGEST_OBJECT:
            raise OutputRefusedError(f"cwl.output.json: larger than {_LARGEST_OBJECT >> 20} MB, and not read")
        return path.open(mode)

    # The rules.

    def check(self, outputs: dict[str, Any]) -> None:
        """Check an untrusted output object: the paths of its files and folders, at any depth.

        Other fields of theirs are dropped, and so are outputs that are hidden files.

        Raises:
            OutputRefusedError: an object names a place outside, has a name that is a path, or brings its own content.
        """
        for name, value in outputs.items():
            outputs[name] = without_hidden(name, value)
            for one in _files(outputs[name]):
                self._check_object(name, one)

    def _check_object(self, name: str, one: dict[str, Any]) -> None:
        for field in one.keys() - _FIELDS:
            del one[field]
        basename, location = one.get("basename"), one.get("location")
        if not _is_plain(basename):
            raise OutputRefusedError(f"output {name}: {basename!r} is not a plain file name")
        if basename.startswith("."):  # in the folder that results go to, it could be a program's configuration
            raise OutputRefusedError(f"output {name}: {basename!r} is hidden; name it without the dot")
        if not isinstance(location, str) or not location.startswith("file://"):
            raise OutputRefusedError(f"output {name}: {basename!r} does not name a file of the output folder")
        self.clear(location)

    def clear(self, fn: str) -> Path:
        """Make an output safe to move and read; its real path.

        Raises:
            OutputRefusedError: it, or something in it, is outside the folder or neither a file nor a folder.
        """
        if fn in self._known:
            return self._known[fn]
        path = self._path(fn)
        if path in self._cleared:
            return path
        try:
            if path.is_symlink() and self._is_own(path.parent.resolve()):
                self._replace_link(path)
            real = self._real(path)
            if self._is_own(real):
                self._clear_tree(real)
        except RecursionError:
            raise OutputRefusedError(f"{self._shown(path)}: folders in folders, more than can be read") from None
        except OSError as error:
            raise OutputRefusedError(f"{self._shown(path)}: cannot be read as an output: {error}") from None
        self._known[fn] = real
        return real

    def _path(self, fn: str) -> Path:
        if fn.startswith("file://"):
            return Path(uri_file_path(fn))
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", fn):
            raise OutputRefusedError(f"{fn}: an output is a file of the output folder, not an address")
        return Path(self.basedir, fn)

    def _is_own(self, real: Path) -> bool:
        return real.is_relative_to(self._top)

    def _real(self, path: Path) -> Path:
        """Resolve a path, which must stay in the folder or be an input, or be inside one."""
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            raise OutputRefusedError(f"{self._shown(path)}: a broken link cannot be an output") from None
        if self._is_own(real) or any(real.is_relative_to(one) for one in self._inputs):
            return real
        if path.is_symlink():
            raise OutputRefusedError(f"{self._shown(path)}: the link leaves the output folder; copy the file instead")
        raise OutputRefusedError(f"{self._shown(path)}: outside of the output folder")

    def _clear_tree(self, real: Path) -> None:
        if real in self._cleared:
            return
        if is_too_deep(real, self._top / contract.output_folder):
            raise RecursionError
        mode = real.lstat().st_mode
        if stat.S_ISDIR(mode):
            if (usable := (stat.S_IMODE(mode) | stat.S_IRWXU) & ~_SPECIAL_BITS) != stat.S_IMODE(mode):
                real.chmod(usable)
            with os.scandir(real) as entries:
                paths = sorted(Path(entry.path) for entry in entries)
            for path in map(self._with_portable_name, paths):
                if path.is_symlink():
                    self._replace_link(path, nested=True)
                self._clear_tree(path)
        elif stat.S_ISREG(mode):
            if mode & _SPECIAL_BITS:
                real.chmod(stat.S_IMODE(mode) & ~_SPECIAL_BITS)
        else:
            kind = _KINDS.get(stat.S_IFMT(mode), "a special file")
            raise OutputRefusedError(f"{self._shown(real)}: {kind} cannot be an output; write a regular file instead")
        self._cleared.add(real)

    def _with_portable_name(self, path: Path) -> Path:
        if is_portable(path.name):
            return path
        renamed = path.rename(free_portable_path(path))
        _logger.warning("%s: renamed to %r, because results need portable names", self._shown(path), renamed.name)
        return renamed

    def _replace_link(self, path: Path, *, nested: bool = False) -> None:
        """Put what a link points to in its place, so that nothing after this follows it.

        A link to an input may stay where it is an output of its own: cwltool then copies the input. In a folder that
        is moved, it would lead those who write to that folder later into the input, so that it becomes a copy.
        """
        target = self._real(self._as_seen_inside(path))
        if not nested and not self._is_own(target):
            return
        if path in self._following or path.parent.resolve().is_relative_to(target):
            raise OutputRefusedError(f"{self._shown(path)}: the link leads back to its own folder")
        self._following.add(path)
        if self._is_own(target):
            self._clear_tree(target)
        path.unlink()
        if target.is_dir():
            shutil.copytree(target, path, copy_function=self._linked, ignore=self._counted)
        else:
            self._linked(str(target), str(path))
        self._following.discard(path)

    def _counted(self, folder: str, _: list[str]) -> tuple[str, ...]:
        """Count a folder that is copied; none of its names is left out."""
        self._count(folder)
        return ()

    def _count(self, source: str) -> Path:
        self._copies += 1
        if self._copies > _MOST_COPIES:
            raise OutputRefusedError(f"links in the output folder lead to more than {_MOST_COPIES} files and folders")
        return self._real(Path(source))

    def _as_seen_inside(self, link: Path) -> Path:
        """Give the path on the host for a link whose text is a path in the container."""
        text = os.readlink(link)
        if self._inside and text.startswith(self._inside + "/"):
            link.unlink()
            link.symlink_to(os.path.relpath(self._top / text[len(self._inside) + 1 :], link.parent))
        return link

    def _linked(self, source: str, target: str) -> str:
        """Give a file a second name: outputs are moved one by one, and each name must find its content."""
        real = self._count(source)
        if self._is_own(real):
            with suppress(OSError):  # another file system, or a kernel that protects hard links
                os.link(real, target)
                return target
        shutil.copy2(real, target)
        return target

    def _shown(self, path: Path) -> str:
        """Write a path as the process knows it."""
        return shown_name(str(path.relative_to(self._top) if path.is_relative_to(self._top) else path))


def _files(value: Any) -> Iterator[dict[str, Any]]:
    """Every File and Directory in a value, with their secondary files."""
    if isinstance(value, dict):
        if value.get("class") in ("File", "Directory"):
            yield value
        for item in value.values():
            yield from _files(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _files(item)


def _is_plain(name: Any) -> TypeGuard[str]:
    """Whether a name is one part of a path, without control characters."""
    return isinstance(name, str) and name not in ("", ".", "..") and "/" not in name and is_portable(name)
