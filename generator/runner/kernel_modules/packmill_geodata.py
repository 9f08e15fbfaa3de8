"""Values of xarray and geopandas as displays that become files: NetCDF and GeoJSON.

`packmill.glue` imports this module for values that are neither plain nor figures.
"""

import base64
import json
import pathlib
import tempfile

LARGEST = 32 * 2**20
"""Bytes in memory of the largest dataset that is stored in a notebook."""
_BACKENDS = "h5netcdf, netCDF4 or scipy"


def bundle_of(name, value):
    """Return the display of a dataset or of geographic features, None for other values.

    Raises:
        TypeError, ValueError: the value is too large, or its library cannot write it.
    """
    library, kind = type(value).__module__.partition(".")[0], type(value).__name__
    if library == "xarray" and kind == "DataArray":
        return _netcdf(name, value.to_dataset(name=value.name or "data"), value)
    if hasattr(value, "data_vars") and hasattr(value, "to_netcdf"):
        return _netcdf(name, value, value)
    if hasattr(value, "total_bounds") and hasattr(value, "to_crs"):
        return _geojson(value)
    return None


def _netcdf(name, dataset, value):
    if dataset.nbytes > LARGEST:
        size = f"{dataset.nbytes / 2**20:,.0f} MiB"
        raise ValueError(
            f"glue({name!r}): the dataset has {size}, and glue stores at most {LARGEST // 2**20} MiB in a notebook; "
            f"write it to a file that is an output of the process, such as {name} = '{name}.nc'  # type: stage-out"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "dataset.nc")
        try:
            dataset.to_netcdf(path)
        except (ImportError, ValueError, TypeError) as error:
            if isinstance(error, ImportError) or not _has_backend():
                raise ImportError(
                    f"glue({name!r}): xarray needs a package to write NetCDF: add {_BACKENDS} to the environment"
                ) from None
            raise TypeError(f"glue({name!r}): xarray cannot write it as NetCDF: {error}") from None
        data = path.read_bytes()
    return {"application/x-netcdf": base64.b64encode(data).decode(), "text/plain": repr(value)}


def _has_backend():
    import importlib.util

    return any(importlib.util.find_spec(one) for one in ("h5netcdf", "netCDF4", "scipy"))


def _geojson(value):
    """Return features in WGS 84, as GeoJSON has them; those without a reference system stay as they are."""
    features = value if value.crs is None else value.to_crs(4326)
    text = features.to_json(default=str) if hasattr(features, "columns") else features.to_json()
    return {"application/geo+json": json.loads(text), "text/plain": repr(value)}
