"""The files of one run: its input object, its uploads, and what it wrote.

```
<data>/runs/<first digits of the id>/<id>/
  source/       a notebook that is not in the served folder
  inputs.json   the CWL input object, removed after the run: it may hold secrets
  uploads/      files that came with the request, removed with the run
  fingerprint   of a request with an idempotency key
  log.txt       what the runner reported
  ogc.json      which results a client of OGC API - Processes asked for
  output/       the output directory of the run: executed notebook, outputs, scraps, result.json
  cwl.output.json  the CWL output object
```
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.runner.results.folder import write_result
from generator.shared import contract, durable_files
from generator.shared.file_digest import file_sha256
from generator.shared.json_text import json_text
from generator.shared.regular_files import is_missing, open_regular_file
from generator.shared.removal import remove_tree

_ATTEMPTS = 5
_DIGITS = 7
"""Runs of some seventeen minutes are in one folder, which keeps folders small."""
_KINDS: Mapping[str, tuple[type, ...]] = {
    "parameters": (dict,),
    **dict.fromkeys(("cells", "outputs"), (list,)),
    **dict.fromkeys("state reason error process notebook delivered kernel started ended".split(), (str,)),
    **dict.fromkeys(("exit_code", "status_code", "peak_memory"), (int,)),
    "duration": (int, float),
}
_LARGEST_CODE = 999
"""Status codes of HTTP have three digits, exit codes at most."""
_LARGEST = 256 << 20
"""Bytes of a file that is read: a million results take less, and a notebook may write one of any size."""
_LONGEST_FINGERPRINT = 1000
_LARGEST_SIZE = 1 << 63
"""Bytes of a result: no file system has larger files."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


class UnreadableRecordError(OSError):
    """A file of a run exists, but cannot be read now (such as EMFILE or EIO), or is too large for an answer (EFBIG)."""

    def __init__(self, path: Path, code: int) -> None:
        super().__init__(code, os.strerror(code), str(path))


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def inputs_file(self) -> Path:
        """The input object."""
        return self.path / contract.inputs_file

    @property
    def _new_inputs_file(self) -> Path:
        return self.path / f".{contract.inputs_file}.new"

    @property
    def uploads(self) -> Path:
        """The folder of uploaded files."""
        return self.path / "uploads"

    @property
    def source(self) -> Path:
        """The folder of a notebook that is not in the served folder."""
        return self.path / "source"

    @property
    def _fingerprint_file(self) -> Path:
        return self.path / "fingerprint"

    @property
    def results_request_file(self) -> Path:
        """Which results a client of OGC API - Processes asked for."""
        return self.path / "ogc.json"

    @property
    def output(self) -> Path:
        """The output directory."""
        return self.path / contract.output_folder

    @property
    def log_file(self) -> Path:
        """What the runner reported, a line each."""
        return self.path / "log.txt"

    def create(self) -> None:
        """Create the folder, readable by its owner alone."""
        for _ in range(_ATTEMPTS):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # its parent was empty, and was removed meanwhile
                self.path.mkdir(mode=0o700)
                return
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path))

    def write_inputs(self, inputs: Mapping[str, Any]) -> None:
        """Write the input object, as a whole: a run whose worker is killed meanwhile is repeated with it."""
        new = self._new_inputs_file
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(json_text(dict(inputs)))
        new.replace(self.inputs_file)

    def write_source(self, name: str, notebook: bytes) -> None:
        """Write a notebook that is not in the served folder."""
        self.source.mkdir()
        (self.source / name).write_bytes(notebook)

    def write_fingerprint(self, fingerprint: str) -> None:
        """Write the fingerprint of the request, which a repeated request has to match."""
        self._fingerprint_file.write_text(fingerprint)

    def read_fingerprint(self) -> str | None:
        """Return the fingerprint of the request; None if it has none, or not in a file."""
        try:
            with open_regular_file(self._fingerprint_file, follow_links=False) as file:
                return file.read(_LONGEST_FINGERPRINT).decode("ascii", "replace")
        except OSError:
            return None

    def remove_inputs(self) -> None:
        """Remove the input object and the uploads."""
        self.inputs_file.unlink(missing_ok=True)
        self._new_inputs_file.unlink(missing_ok=True)
        if self.uploads.is_dir():
            remove_tree(self.uploads)

    def sync_request(self) -> None:
        """Write to the disk what the request of the run brought, and the folder's name."""
        for folder in (self.uploads, self.source):
            durable_files.sync_tree(folder)
        for path in (self.inputs_file, self._fingerprint_file, self.results_request_file):
            durable_files.sync(path)
        for path in (self.path, *list(self.path.parents)[:2]):
            durable_files.sync(path)

    def remove_results(self) -> None:
        """Remove what a run wrote, except its executed notebook and ``result.json``, which then lists no files.

        Raises:
            OSError: a file cannot be removed, or ``result.json`` not be written.
        """
        result = self.read_result()
        kept = {contract.result_file, str(result.get("notebook")).partition("/")[0]}
        for path in self.output.iterdir():
            if path.name not in kept and path.is_dir() and not path.is_symlink():
                remove_tree(path)
            elif path.name not in kept:
                path.unlink()
        (self.path / contract.output_object_file).unlink(missing_ok=True)
        if result:
            self.update_result(outputs=[])

    def clear_output(self) -> None:
        """Remove what a run wrote, as before it is repeated."""
        remove_tree(self.output)
        (self.path / contract.output_object_file).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder."""
        remove_tree(self.path)
        with suppress(OSError):
            self.path.parent.rmdir()

    def read_result(self) -> dict[str, Any]:
        """Return the content of ``result.json``; empty if the run has not written it.

        The notebook can write the file too, so that parts of another form are left out.

        Raises:
            UnreadableRecordError: the file exists, but cannot be read at present.
        """
        result = read_object(self.output / contract.result_file)
        kept: dict[str, Any] = {
            name: value for name, value in result.items() if value is None or _is_field(name, value)
        }
        if cells := kept.get("cells"):
            kept["cells"] = [cell for cell in cells if isinstance(cell, dict)]
        if outputs := kept.get("outputs"):
            kept["outputs"] = [one for one in outputs if _is_output(one)]
        return kept

    def has_whole_results(self) -> bool:
        """Whether the results of a run that has succeeded are as its record states."""
        try:
            record = self.read_result()
            return record["state"] == "succeeded" and all(
                (self.output / one["path"]).stat().st_size == one["size"]
                and file_sha256(self.output / one["path"]) == one["sha256"]
                for one in record["outputs"]
            )
        except (OSError, LookupError, TypeError):
            return False

    def update_result(self, **fields: Any) -> None:
        """Change fields of ``result.json``.

        Raises:
            OSError: the file cannot be read or written.
        """
        write_result(self.output / contract.result_file, json_text(self.read_result() | fields) + b"\n")

    def read_scraps(self) -> dict[str, Any]:
        """Return the scraps by name, in the order of the notebook; empty without any.

        Raises:
            UnreadableRecordError: the file exists, but cannot be read at present, or has more than 256 MiB.
        """
        return read_object(self.output / contract.scraps_file, whole=True)

    def read_output_object(self) -> dict[str, Any]:
        """Return the CWL output object; empty if the run has not written it.

        Raises:
            UnreadableRecordError: the file exists, but cannot be read at present, or has more than 256 MiB.
        """
        return read_object(self.path / contract.output_object_file, whole=True)

    def size(self) -> int:
        """Return the disk space of files and folders, in bytes."""
        paths = (Path(folder, name) for folder, _, names in os.walk(self.path) for name in (".", *names))
        return sum(map(_disk_space, paths))

    def notebook(self) -> Path | None:
        """Return the executed notebook."""
        name = self.read_result().get("notebook")
        return self.output_file(name) if name else None

    def output_file(self, relative: str) -> Path | None:
        """Return a file of the output directory; None if it does not exist or a link leads out of the directory."""
        path = self._inside(relative)
        return path if path and path.is_file() else None

    def output_folder(self, relative: str) -> Path | None:
        """Return a folder of the output directory; None if it does not exist or a link leads out of the directory."""
        path = self._inside(relative)
        return path if path and path.is_dir() else None

    def _inside(self, relative: str) -> Path | None:
        try:
            path = (self.output / relative).resolve()
            return path if path.is_relative_to(self.output.resolve()) and path.exists() else None
        except (OSError, ValueError):
            return None


def _is_field(name: str, value: object) -> bool:
    """Whether a field of ``result.json`` has the form that the runner writes; pages and rows of runs have it."""
    if not isinstance(value, _KINDS.get(name, object)) or (name in _KINDS and isinstance(value, bool)):
        return False
    if isinstance(value, int | float) and name in _KINDS:
        return 0 <= value <= (_LARGEST_CODE if name.endswith("_code") else _LARGEST_SIZE)  # not for NaN
    return name not in ("notebook", "delivered") or not isinstance(value, str) or _is_encodable(value)


def _is_encodable(text: str) -> bool:
    """Whether a text can be a path: half a surrogate pair cannot, except for bytes that are not UTF-8."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _is_output(one: object) -> bool:
    if not isinstance(one, dict) or not isinstance(path := one.get("path"), str):
        return False
    if not {"", ".", ".."}.isdisjoint(path.split("/")) or not _is_encodable(path):
        return False  # a link with it would lead to another page of the server, by the name of who follows it
    digest, size = one.get("sha256", "0" * 64), one.get("size", 0)
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= _LARGEST_SIZE:
        return False
    return isinstance(digest, str) and bool(_DIGEST.fullmatch(digest))


def _disk_space(file: Path) -> int:
    try:
        return file.lstat().st_blocks * 512
    except OSError:  # removed meanwhile
        return 0


def read_object(path: Path, *, whole: bool = False) -> dict[str, Any]:
    """Return the JSON object in a file of a run's folder; empty without one.

    A notebook reaches every file of the folder: another kind of file is not waited for, nor a large one read. A large
    one counts as empty, unless its ``whole`` content is a result: that would be an answer without results.

    Raises:
        UnreadableRecordError: the file exists, but cannot be read at present, or is too large and needed as a whole.
    """
    try:
        with open_regular_file(path, follow_links=False) as file:
            size = os.fstat(file.fileno()).st_size
            if size > _LARGEST and whole:
                raise UnreadableRecordError(path, errno.EFBIG)
            document = json.loads(file.read(size)) if size <= _LARGEST else {}
    except OSError as error:
        if is_missing(error):
            return {}
        raise UnreadableRecordError(path, error.errno or errno.EIO) from error
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def runs_folder(data: Path) -> Path:
    """Return the folder of all runs below the server's data folder."""
    return data / "runs"


def run_folder(data: Path, run_id: str) -> RunFolder:
    """Return the folder of a run below the server's data folder."""
    return RunFolder(runs_folder(data) / run_id[:_DIGITS] / run_id)
