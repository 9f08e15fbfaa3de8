"""Whether the STAC catalog of a process needs the packages that read NetCDF, HDF5, Zarr and GeoTIFF."""

from __future__ import annotations

import posixpath

from generator.notebook.interface import Output
from generator.notebook.parameters import CwlType
from generator.process.process import Process
from generator.shared import array_formats
from generator.shared.output_patterns import has_wildcard


def needs_format_readers(process: Process) -> bool:
    """Return whether a declared output is, or may be, a file of such a format.

    Patterns and folders leave open which files a run writes. The imports of a Python notebook show whether it can write
    such files; other processes may write any.
    """
    endings = [_ending(one) for one in process.interface.outputs]
    if any(ending in array_formats.endings for ending in endings):
        return True
    return None in endings and _may_write_arrays(process)


def _ending(output: Output) -> str | None:
    """Return the ending of an output's files, None if it has none or a wildcard."""
    ending = posixpath.splitext(output.glob.rstrip("/"))[1].lower()
    if ending in array_formats.endings:
        return ending
    return None if output.type is CwlType.DIRECTORY or not ending or has_wildcard(ending) else ending


def _may_write_arrays(process: Process) -> bool:
    if not process.is_notebook or not process.language.startswith("python"):
        return True
    return any(one.module in array_formats.writers for one in process.imports.modules)
