"""Media types by file extension."""

from __future__ import annotations

import posixpath

unknown = "application/octet-stream"
folder = "application/x-directory"

_by_ending = {
    ".csv": "text/csv",
    ".geojson": "application/geo+json",
    ".gif": "image/gif",
    ".gpkg": "application/geopackage+sqlite3",
    ".h5": "application/x-hdf5",
    ".hdf": "application/x-hdf",
    ".hdf5": "application/x-hdf5",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".jp2": "image/jp2",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".log": "text/plain",
    ".nc": "application/x-netcdf",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".txt": "text/plain",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
}


def media_type(name: str) -> str:
    """Return the media type of a file or pattern, by its extension."""
    return _by_ending.get(posixpath.splitext(name)[1].lower(), unknown)
