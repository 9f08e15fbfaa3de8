"""What arrays in a job's artifacts are about: dimensions, variables, time and place, read by a process with limits.

The process is the one that reads results for STAC catalogs (`generator.staging.stac.formats.program`): a path a line
on its input, a description a line on its output. It has no environment of the service and writes no file.
"""

from __future__ import annotations

import hashlib
import json
import signal
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from generator.service.archives import open_archive
from generator.service.store.job_folders import JobFolder
from generator.shared.damaged_archives import archive_errors
from generator.shared.passing_errors import may_pass
from generator.subprocesses.commands import run

_PROGRAM = "import sys; sys.path[:] = {path!r}; from generator.staging.stac.formats.program import serve; serve()"
_ENVIRONMENT = {"PROJ_NETWORK": "OFF", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
_SECONDS, _WAIT = 30.0, 20.0
_LARGEST, _MOST_FILES = 500_000_000, 5000
"""Bytes and number of files that are unpacked: one, or those of a Zarr folder."""
_MOST_ROWS, _LONGEST = 200, 200
_VERSION = b"1"
_RETRY_AFTER = 600.0
"""Seconds for which a timeout is kept: a busy machine may have caused it, but each view would wait for it again."""
_at_once = threading.BoundedSemaphore(2)


class _NotNowError(Exception):
    """A file cannot be read now, but perhaps later, for a reason that the page shows."""


class _TimeoutError(_NotNowError):
    """To read a file takes too long."""


def describe(folder: JobFolder, name: str) -> dict[str, Any]:
    """Return what a page shows of a file or a Zarr folder, or ``{"reason": ...}``.

    A result is kept with the job, a timeout for ten minutes, and a failure of the machine, which may pass, not at all.

    ``dimensions`` and ``variables`` are rows of texts, ``corners`` is a ring of longitudes and latitudes or None.
    """
    cached = folder.pages / f"{hashlib.sha256(_VERSION + name.encode('utf-8', 'replace')).hexdigest()}.json"
    failed = cached.with_suffix(".failed")
    with suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads(cached.read_text(encoding="utf-8"))
        return found
    with suppress(OSError):
        if abs(time.time() - failed.stat().st_mtime) < _RETRY_AFTER:  # in the future, if the clock was set back
            return {"reason": failed.read_text(encoding="utf-8")}
    if not _at_once.acquire(timeout=_WAIT):
        return {"reason": "other files are being read; reload the page in a moment"}
    try:
        found = _describe(folder.artifacts, name)
    except _TimeoutError as error:
        _store(failed, str(error))
        return {"reason": str(error)}
    except _NotNowError as error:
        return {"reason": str(error)}
    finally:
        _at_once.release()
    _store(cached, json.dumps(found))
    return found


def _store(file: Path, text: str) -> None:
    with suppress(OSError):
        file.parent.mkdir(exist_ok=True, mode=0o700)
        file.write_text(text, encoding="utf-8")


def _describe(archive: Path, name: str) -> dict[str, Any]:
    try:
        with tempfile.TemporaryDirectory(prefix="packmill-arrays-") as temporary, open_archive(archive) as packed:
            path = _unpack(packed, name, Path(temporary))
            return {"reason": "it is too large; download it"} if path is None else _read(path)
    except archive_errors as error:
        if may_pass(error):
            raise _NotNowError("it cannot be read now; reload the page in a moment") from None
        return {"reason": "it is damaged"}


def _unpack(packed: zipfile.ZipFile, name: str, target: Path) -> Path | None:
    """Unpack a file, or all files of a folder; return None if they are too large."""
    chosen = [one for one in packed.infolist() if one.filename == name or one.filename.startswith(f"{name}/")]
    if not chosen:
        raise KeyError(name)
    if len(chosen) > _MOST_FILES or sum(one.file_size for one in chosen) > _LARGEST:
        return None
    for one in chosen:
        packed.extract(one, target)  # removes "..", drives and leading slashes from names
    return target.joinpath(*PurePosixPath(name).parts)


def _read(path: Path) -> dict[str, Any]:
    program = _PROGRAM.format(path=[one for one in sys.path if one])
    command = (sys.executable, "-I", "-B", "-c", program)
    done = run(
        command,
        cwd=Path("/"),
        environment=_ENVIRONMENT,
        alone=True,
        timeout=_SECONDS,
        text=f"{json.dumps(str(path))}\n",
    )
    if done.code == 124:
        raise _TimeoutError("reading it takes too long; reload the page in ten minutes")
    if done.code == -signal.SIGKILL:  # by the system, for memory of the machine
        raise _NotNowError("reading it was ended; reload the page in a moment")
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return {"reason": "it is damaged, or of a kind that cannot be read"}
    return summary(found) if found else {"reason": "it is of a kind that cannot be read"}


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a page shows of a description (`generator.staging.stac.formats.description`)."""
    cube = found["cube"]
    dimensions = list(_dimensions(cube.get("cube:dimensions", {})))
    variables = list(_variables(found["bands"], cube.get("cube:variables", {})))
    return {
        "dimensions": dimensions[:_MOST_ROWS],
        "variables": variables[:_MOST_ROWS],
        "time": " to ".join(dict.fromkeys(filter(None, (found["start"], found["end"])))),
        "corners": _corners(found["footprint"]),
        "remark": found["remark"],
    }


def _dimensions(found: Mapping[str, Mapping[str, Any]]) -> Iterator[list[str]]:
    for name, one in found.items():
        low, high = (str(value) for value in one.get("extent", ("", "")))
        yield [name, low, high, one.get("unit", "")]


def _variables(bands: Sequence[Mapping[str, Any]], cube: Mapping[str, Mapping[str, Any]]) -> Iterator[list[str]]:
    for band in bands:
        dimensions = ", ".join(cube.get(band["name"], {}).get("dimensions", ()))
        texts = (band["name"], dimensions, band.get("data_type", ""), band.get("unit", ""), band.get("description", ""))
        yield [str(text)[:_LONGEST] for text in texts]


def _corners(footprint: Mapping[str, Any] | None) -> list[float] | None:
    """Return the outer ring of a footprint, the first one of several."""
    if not footprint:
        return None
    geometry = footprint["geometry"]
    rings = geometry["coordinates"]
    ring = rings[0] if geometry["type"] == "Polygon" else rings[0][0] if geometry["type"] == "MultiPolygon" else []
    return [value for point in ring for value in point[:2]] or None
