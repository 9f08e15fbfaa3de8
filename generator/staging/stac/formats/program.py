"""The process that reads files: a path a line on stdin, a description a line on stdout.

It has no environment, writes no file, and its memory and time are limited: a file may be made to break its reader.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from generator.staging.stac.formats import geojson, geopackage, geotiff
from generator.staging.stac.formats.datasets import describe_file, describe_zarr
from generator.staging.stac.formats.description import Description
from generator.staging.stac.formats.packages import add_layer
from generator.staging.stac.formats.times import times_in_name

_MOST_MEMORY = 4 * 1024**3
_MOST_SECONDS = 600
_READERS: dict[str, Callable[[Path], Description | None]] = {
    ".cdf": describe_file,
    ".geojson": geojson.describe,
    ".gpkg": geopackage.describe,
    ".h5": describe_file,
    ".hdf5": describe_file,
    ".he5": describe_file,
    ".json": geojson.describe,
    ".nc": describe_file,
    ".nc4": describe_file,
    ".tif": geotiff.describe,
    ".tiff": geotiff.describe,
}


def describe(path: Path) -> Description | None:
    """Return the description of a file or of a Zarr folder; None if its format has no place or cannot be read."""
    reader = describe_zarr if path.is_dir() else _READERS.get(path.suffix.lower())
    if reader is None:
        return None
    try:
        found = reader(path)
    except Exception as error:  # noqa: BLE001 - every library has errors of its own for content that is not as it should be
        return Description(remark=f"its content does not fit its extension ({type(error).__name__})")
    if found is None or found.start:
        return found
    return _with_times_of_name(found, path.name)


def _with_times_of_name(found: Description, name: str) -> Description:
    start, end = times_in_name(name)
    return replace(found, start=start, end=end)


def serve() -> None:
    """Answer every line of stdin."""
    add_layer()
    _limit()
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # packages that print do not disturb the answers
    for line in sys.stdin:
        found = describe(Path(json.loads(line)))
        print(json.dumps(found and found.to_json(), allow_nan=False), file=answers, flush=True)


def _limit() -> None:
    limits = {resource.RLIMIT_AS: _MOST_MEMORY, resource.RLIMIT_CPU: _MOST_SECONDS, resource.RLIMIT_FSIZE: 0}
    for kind, most in {**limits, resource.RLIMIT_CORE: 0}.items():
        _, hard = resource.getrlimit(kind)
        lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (lowest, lowest))
