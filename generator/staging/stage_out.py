"""``packmill-runner stage-out``: deliver the results of a run, and list the delivered files."""

from __future__ import annotations

import glob
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from generator.shared import contract
from generator.shared.failures import BadInputsError, StagingError
from generator.shared.folder_levels import paths_below, too_deep
from generator.shared.json_text import json_text
from generator.shared.media_types import media_type
from generator.shared.output_patterns import alternatives
from generator.shared.regular_files import open_regular_file
from generator.staging.network.credentials import Credentials
from generator.staging.network.settings import NetworkSettings
from generator.staging.records import read_destination
from generator.staging.stac.catalog import CatalogFile, write_catalog
from generator.staging.stac.results import result_roles
from generator.staging.stores import TransientError
from generator.staging.targets import Target, open_target
from generator.staging.transfer.batch import Meter, run_in_parallel
from generator.staging.transfer.transfer import Watch, compute_checksum

_LARGEST_RECORD = 256 << 20
"""Bytes of ``result.json``, which lists up to a million files."""

_ABORT_WAIT = 10.0
"""Seconds for uploads to abort after a failure or an interrupt: S3 keeps, and bills, the parts of those that do not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageOutRequest:
    """The inputs of a stage-out step."""

    output_path: Any = field(repr=False)
    folder: Path
    """The folder of the results."""
    include: tuple[str, ...] = ()
    """Glob patterns below the folder, all files if empty. A matching folder includes all files below it."""
    catalog: bool = False
    inside: Path | None = None
    """The folder that local destinations must be in, if any."""
    name: str = "results"
    network: NetworkSettings
    credentials: Credentials
    say: Callable[[str], None] = print


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    path: Path
    relative: str


def stage_out(request: StageOutRequest) -> dict[str, Any]:
    """Deliver the results; return the content of ``stage_out.json``: destination, catalog, files.

    The STAC catalog is delivered last, so that all files it lists exist.

    Raises:
        BadInputsError: the destination or a pattern is invalid.
        StagingError: there are no results, their record is too large, or one cannot be delivered; others may be
            delivered already.
    """
    location = read_destination(request.output_path)
    if location is None:
        request.say("stage-out: no destination; the results are not delivered")
        return {"destination": None, "catalog": None, "files": []}
    target = open_target(location, request.network, request.credentials, inside=request.inside)
    files = list(_select_files(request))
    if not files:
        raise StagingError(f"{request.folder}: no results to deliver")
    with tempfile.TemporaryDirectory(prefix="packmill-catalog-") as scratch:
        documents = _write_catalog(request, files, Path(scratch)) if request.catalog or location.kind == "OGC" else []
        sent = _put_all(request, target, files)
        urls = [_put(target, one, request, Watch()) for one in documents]
    return {
        "destination": target.url,
        "catalog": urls[-1] if urls else None,
        "files": [_delivery_record(file, url) for file, url in zip(files, sent, strict=True)],
    }


def local_result(outputs: dict[str, Any], inside: Path) -> dict[str, Any] | None:
    """Return the Directory object of a destination in the working directory, None for other destinations."""
    destination = outputs["destination"]
    if not destination or "://" in destination:
        return None
    path = Path(destination)
    return {"class": "Directory", "path": str(path.relative_to(inside.resolve()))}


def _select_files(request: StageOutRequest) -> Iterator[_File]:
    """Yield the files that match, in the patterns' order, each once; skip links that leave the folder."""
    top = request.folder.resolve()
    seen: set[Path] = set()
    for pattern in (*request.include, *_notebook_pattern(top)) if request.include else ("*",):
        for path in _match(top, pattern):
            if path in seen or not path.is_file():
                continue
            seen.add(path)
            if path.resolve().is_relative_to(top):
                yield _File(path=path, relative=path.relative_to(top).as_posix())
            else:
                request.say(f"warning: {path.relative_to(top)} links outside the results and is not delivered")


def _match(top: Path, pattern: str) -> list[Path]:
    parts = PurePosixPath(pattern)
    wrong = BadInputsError(f"{pattern!r}: not a pattern below the results folder; write e.g. maps or *.png")
    if not pattern or parts.is_absolute() or ".." in parts.parts:
        raise wrong
    try:
        found = next(filter(None, (sorted(top.glob(reading)) for reading in alternatives(pattern))), [])
    except ValueError:
        raise wrong from None
    except RecursionError:
        _refuse(top)
    return [path for one in found for path in (sorted(paths_below(one, on_deeper=_refuse)) if one.is_dir() else [one])]


def _refuse(folder: Path) -> NoReturn:
    raise StagingError(f"{str(folder)[:200]}: {too_deep}")


def _notebook_pattern(results: Path) -> tuple[str, ...]:
    """Return a pattern for the executed notebook, whose path is in the runner's record."""
    path = _read_run_record(results).get("notebook")
    return (glob.escape(path),) if isinstance(path, str) and path else ()


def _read_run_record(results: Path) -> dict[str, Any]:
    """Return the runner's record, which the notebook may have replaced; empty if it is not one.

    Raises:
        StagingError: the file is too large for a record.
    """
    try:
        with open_regular_file(results / contract.result_file) as file:
            if os.fstat(file.fileno()).st_size > _LARGEST_RECORD:
                raise StagingError(
                    f"{contract.result_file}: more than {_LARGEST_RECORD >> 20} MiB, too large for the record of a run"
                    "; the notebook may have replaced it"
                )
            record = json.loads(file.read(_LARGEST_RECORD))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _put_all(request: StageOutRequest, target: Target, files: Sequence[_File]) -> list[str]:
    meter = Meter("stage-out", len(files), request.say)

    def put(file: _File, watch: Watch) -> str:
        url = _put(target, file, request, watch)
        meter.add_file()
        return url

    urls = run_in_parallel(files, put, parallel=request.network.parallel, meter=meter, failure_wait=_ABORT_WAIT)
    meter.report_totals()
    return urls


def _put(target: Target, file: _File, request: StageOutRequest, watch: Watch) -> str:
    network = request.network
    for attempt in range(network.attempts):
        sent = 0

        def count(more: int) -> None:
            nonlocal sent
            sent += more
            watch.check()
            watch.on_bytes(more)

        try:
            return target.put(file.path, file.relative, count)
        except TransientError as error:
            watch.on_bytes(-sent)
            if attempt == network.attempts - 1:
                raise StagingError(f"{target.url}/{file.relative}: {error} (tried {network.attempts} times)") from None
            wait = network.retry_delay(attempt, requested=error.wait)
            watch.on_retry(f"{target.url}/{file.relative}", str(error), wait)
            watch.sleep(wait)
    raise AssertionError


def _write_catalog(request: StageOutRequest, files: Sequence[_File], scratch: Path) -> list[_File]:
    """Write the catalog in a scratch folder with links to the results, which stay unchanged."""
    if any(file.relative == contract.catalog_file for file in files):
        raise BadInputsError(
            f"{contract.catalog_file}: the results have a file of this name, so no STAC catalog can be written"
        )
    for file in files:
        link = scratch / file.relative
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.path)
    members = [CatalogFile(path=file.relative, roles=result_roles(file.relative)) for file in files]
    written = write_catalog(
        scratch,
        members,
        name=request.name,
        description=f"results of {request.name}",
        time=_read_end_time(request.folder),
        say=request.say,
    )
    return [_File(path=scratch / path, relative=path) for path in written]


def _read_end_time(results: Path) -> datetime:
    """Return the end time of the run, now if unknown."""
    try:
        return datetime.fromisoformat(str(_read_run_record(results).get("ended")))
    except ValueError:
        return datetime.now(timezone.utc)


def _delivery_record(file: _File, url: str) -> dict[str, Any]:
    return {
        "path": file.relative,
        "url": url,
        "size": file.path.stat().st_size,
        "sha256": compute_checksum(file.path).digest,
        "type": media_type(file.relative),
    }


def write_list(outputs: dict[str, Any], folder: Path) -> Path:
    """Write ``stage_out.json``; return its path."""
    path = folder / contract.stage_out_file
    path.write_bytes(json_text(outputs) + b"\n")
    return path
