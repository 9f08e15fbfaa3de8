"""GeoTIFF (OGC 19-008r4) and cloud-optimized GeoTIFF: where an image is, its bands, its time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from generator.staging.stac.footprints import Footprint
from generator.staging.stac.formats import crs as projections
from generator.staging.stac.formats import geo_keys, tiff
from generator.staging.stac.formats.description import Description, UnclearError
from generator.staging.stac.formats.geo_keys import Keys
from generator.staging.stac.formats.grids import Grid
from generator.staging.stac.formats.known_projections import footprint_of_known_grid
from generator.staging.stac.formats.packages import has_package
from generator.staging.stac.formats.tiff import Directory
from generator.staging.stac.formats.times import spell_time
from generator.staging.stac.formats.values import spell_data_type, spell_nodata

MEDIA_TYPE = "image/tiff; application=geotiff"
_SAMPLE_FORMATS = {1: "uint", 2: "int", 3: "float"}
_LARGEST_XML = 2**18


def describe(path: Path) -> Description | None:
    """Describe a GeoTIFF; None for a TIFF file without a place on the Earth."""
    directories = tiff.read_directories(path)
    main = directories[0]
    keys = geo_keys.read_keys(main)
    if not keys:
        return None
    metadata = _read_metadata(main)
    profile = "; profile=cloud-optimized" if tiff.is_cloud_optimized(path, directories) else ""
    time = _read_time(main, metadata)
    known: dict[str, Any] = {"bands": _bands(main, metadata), "media_type": MEDIA_TYPE + profile}
    known |= {"start": time, "end": time}
    grid = _read_grid(main, keys)
    if grid is None:
        return Description(remark="the image has no affine transformation to a reference system", **known)
    if not has_package("pyproj"):
        code = geo_keys.code_of(keys)
        found = footprint_of_known_grid(grid, code) if code else None
        remark = "" if found else "its reference system needs PROJ"
        return Description(footprint=found, remark=remark, **known)
    return _describe_by_proj(keys, grid, known)


def _describe_by_proj(keys: Keys, grid: Grid, known: Mapping[str, Any]) -> Description:
    projection = projections.grid_fields(grid)
    try:
        crs = geo_keys.read_crs(keys)
        projection = {**projections.crs_fields(crs), **projection}
        found: Footprint = projections.footprint_of_grid(grid, crs)
    except UnclearError as error:
        return Description(projection=projection, remark=str(error), **known)
    return Description(footprint=found, projection=projection, **known)


def _read_grid(main: Directory, keys: Keys) -> Grid | None:
    tags = main.tags
    if tiff.TRANSFORMATION in tags:
        m = tags[tiff.TRANSFORMATION]
        a, b, c, d, e, f = m[0], m[1], m[3], m[4], m[5], m[7]
    elif tiff.SCALE in tags and len(tags.get(tiff.TIEPOINT, ())) == 6:
        i, j, _, x, y, _ = tags[tiff.TIEPOINT]
        a, e = tags[tiff.SCALE][0], -tags[tiff.SCALE][1]
        b, c, d, f = 0.0, x - i * a, 0.0, y - j * e
    else:
        return None
    if keys.get(geo_keys.RASTER) == geo_keys.PIXEL_IS_POINT:
        c, f = c - (a + b) / 2, f - (d + e) / 2
    grid = Grid(columns=main.first(tiff.WIDTH), rows=main.first(tiff.HEIGHT), affine=(a, b, c, d, e, f))
    return grid if grid.is_valid() else None


def _bands(main: Directory, metadata: Mapping[str, Mapping[int, str]]) -> list[dict[str, Any]]:
    count = int(main.first(tiff.SAMPLES, 1))
    if not 1 <= count <= 1024:
        return []
    bits, formats = main.tags.get(tiff.BITS, (1,)), main.tags.get(tiff.SAMPLE_FORMAT, (1,))
    nodata = _nodata(main.text(tiff.GDAL_NODATA))
    bands = []
    for index in range(count):
        kind = f"{_SAMPLE_FORMATS.get(_item(formats, index), '')}{_item(bits, index)}"
        band: dict[str, Any] = {"name": f"b{index + 1}", "data_type": spell_data_type(kind)}
        if nodata is not None:
            band["nodata"] = nodata
        for field, word in (("description", "description"), ("unit", "unittype")):
            if text := metadata.get(word, {}).get(index):
                band[field] = text
        bands.append(band)
    return bands


def _item(values: tuple[Any, ...], index: int) -> Any:
    return values[index] if index < len(values) else values[0]


def _nodata(text: str) -> float | int | str | None:
    """Return the text of a number as STAC has it, None for other texts."""
    try:
        return spell_nodata(float(text))
    except ValueError:
        return None


def _read_metadata(main: Directory) -> dict[str, dict[int, str]]:
    """Return GDAL's metadata by name and band; those of the whole image have the band -1."""
    text = main.text(tiff.GDAL_METADATA)
    if not text or len(text) > _LARGEST_XML or "<!" in text:
        return {}
    found: dict[str, dict[int, str]] = {}
    try:
        items = list(ET.fromstring(text).iter("Item"))  # noqa: S314 - without a document type, entities do not exist
    except ET.ParseError:
        return {}
    for item in items:
        sample = item.get("sample", "-1")
        if item.text and re.fullmatch(r"-?\d{1,5}", sample):
            found.setdefault(item.get("name", "").lower(), {})[int(sample)] = item.text.strip()[:200]
    return found


def _read_time(main: Directory, metadata: Mapping[str, Mapping[int, str]]) -> str:
    """Return the time of the image: GDAL's IMAGERY metadata, else the tag DateTime, which has no zone."""
    for text in (metadata.get("acquisitiondatetime", {}).get(-1, ""), main.text(tiff.DATE)):
        match = re.fullmatch(r"(\d{4})[-:](\d\d)[-:](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.\d*)?Z?", text)
        if match:
            try:
                return spell_time(datetime(*map(int, match.groups()), tzinfo=timezone.utc))  # type: ignore[misc,arg-type]
            except ValueError:
                continue
    return ""
