"""NetCDF, HDF5 and Zarr: describe the arrays of a file by the CF Conventions and ACDD."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from generator.staging.stac.formats import hdf5, netcdf3, zarr_folders
from generator.staging.stac.formats.arrays import Group
from generator.staging.stac.formats.axes import data_variables
from generator.staging.stac.formats.coordinates import Place, find_place, place_of_attributes
from generator.staging.stac.formats.cubes import bands_of, cube_of
from generator.staging.stac.formats.description import Description, UnclearError
from generator.staging.stac.formats.packages import INSTALL, has_package
from generator.staging.stac.formats.time_axes import find_times
from generator.staging.stac.formats.times import times_of_attributes

_CLASSIC, _HDF5 = (b"CDF\x01", b"CDF\x02", b"CDF\x05"), b"\x89HDF\r\n\x1a\n"
_NO_PLACE = "it has no coordinates that the CF Conventions or ACDD define"


def describe_file(path: Path) -> Description | None:
    """Describe a NetCDF or HDF5 file; None for other content."""
    with path.open("rb") as file:
        begin = file.read(8)
        classic = begin[:4] in _CLASSIC
        if not classic and begin != _HDF5 and not _has_signature_later(path):
            return None
    kind = "application/netcdf" if classic or path.suffix.lower() in (".nc", ".nc4", ".cdf") else "application/x-hdf5"
    needed = "numpy" if classic else "h5netcdf"
    return _describe(path, netcdf3.open_groups if classic else hdf5.open_groups, needed, kind)


def describe_zarr(path: Path) -> Description | None:
    """Describe a Zarr folder; None for another folder."""
    version = zarr_folders.zarr_version(path)
    if version is None:
        return None
    return _describe(path, zarr_folders.open_groups, "zarr", f"{zarr_folders.MEDIA_TYPE}; version={version}")


class _Opener(Protocol):
    def __call__(self, path: Path) -> AbstractContextManager[Iterator[Group]]: ...


def _describe(path: Path, open_groups: _Opener, needed: str, media_type: str) -> Description:
    if not all(map(has_package, (needed, "numpy", "pyproj", "cftime"))):
        return Description(
            media_type=media_type, remark=f"the packages that read this format are not installed ({INSTALL})"
        )
    try:
        with open_groups(path) as groups:
            return _describe_groups(groups, media_type)
    except UnclearError as error:
        return Description(media_type=media_type, remark=str(error))


def _describe_groups(groups: Iterator[Group], media_type: str) -> Description:
    """Describe the first group with coordinates, or else with data; the file's own attributes complete it."""
    top: Group | None = None
    chosen: Group | None = None
    place: Place | None = None
    remark = ""
    for group in groups:
        top = top or group
        if data_variables(group) and chosen is None:
            chosen = group
        try:
            place = find_place(group)
        except UnclearError as error:
            chosen, remark = group, str(error)
            break
        if place:
            chosen = group
            break
    attributes = top.attributes if top else {}
    if not place and not remark:
        place = place_of_attributes(attributes)
        remark = "" if place else _NO_PLACE
    return _complete(chosen or Group(variables={}, attributes={}), attributes, place, remark, media_type)


def _complete(
    group: Group, attributes: Mapping[str, Any], place: Place | None, remark: str, media_type: str
) -> Description:
    start, end = "", ""
    try:
        start, end = find_times(group)
    except UnclearError as error:
        remark = remark or f"the time is unknown: {error}"
    if not start:
        start, end = times_of_attributes(attributes)
    return Description(
        footprint=place.footprint if place else None,
        start=start,
        end=end,
        projection=place.projection if place else {},
        cube=cube_of(group, place.crs if place else None, (start, end)),
        bands=bands_of(group),
        media_type=media_type,
        remark=remark,
    )


def _has_signature_later(path: Path) -> bool:
    """Check for the signature of HDF5 after a user block (HDF5 file format, "Superblock")."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for exponent in islice(range(9, 26), max(0, int(math.log2(size + 1)) - 8)):
            file.seek(2**exponent)
            if file.read(8) == _HDF5:
                return True
    return False
