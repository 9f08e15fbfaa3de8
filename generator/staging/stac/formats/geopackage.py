"""GeoPackage (OGC 12-128)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from generator.staging.stac.footprints import footprint_from_box
from generator.staging.stac.formats.description import Description


def describe(path: Path) -> Description | None:
    """Describe a GeoPackage: the bounding boxes of the layers in WGS 84 (OGC 12-128, ``gpkg_contents``)."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        rows = database.execute(
            "select min_x, min_y, max_x, max_y from gpkg_contents where srs_id = 4326 and min_x is not null"
        ).fetchall()
    if not rows:
        return None
    west, south, east, north = zip(*rows, strict=True)
    found = footprint_from_box(min(west), min(south), max(east), max(north))
    return Description(footprint=found) if found else None
