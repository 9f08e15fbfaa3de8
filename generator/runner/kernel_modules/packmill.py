"""Export results from a notebook: ``from packmill import glue``.

``glue(name, value)`` stores a value in the notebook's outputs, in scrapbook's format; the runner collects all values
in ``scraps.json``. The module is importable in every image that packmill builds, without installing it into the
notebook's environment. It uses only the standard library and IPython.
"""

import base64
import datetime
import io
import math
import pathlib

__all__ = ["glue"]


def glue(name, value, *, display=False):
    """Store ``value`` under ``name`` in the outputs of this cell; a later value of the same name replaces it.

    Accepts JSON values, None, NaN (which becomes null), dates (ISO 8601), paths, numpy scalars and arrays, pandas
    data frames (as a list of rows) and series, and sets. A matplotlib figure or anything else that Jupyter can show as
    a picture or HTML is stored as a display; a dataset or data array of xarray as a NetCDF file, geographic features of
    geopandas as a GeoJSON file.

    Raises:
        TypeError: the name is not a string, or the value has none of these types.
        ValueError, ImportError: a dataset is too large, or the environment has no package to write NetCDF.
    """
    from IPython.display import display as show

    if not isinstance(name, str) or not name:
        raise TypeError("glue needs a name: glue('mean', 3.2)")
    bundle = _png_of(value) if _is_figure(value) else _bundle_of(name, value)
    if bundle is not None:
        show(bundle, raw=True, metadata={"scrapbook": {"name": name, "data": False, "display": True}})
        return
    try:
        data = _plain(value)
    except TypeError:
        if not _can_show(value):
            raise TypeError(
                f"glue({name!r}): a {type(value).__name__} is neither a JSON value nor displayable"
            ) from None
        show(value, metadata={"scrapbook": {"name": name, "data": False, "display": True}})
        return
    encoder = "text" if isinstance(data, str) else "json"
    content = {"name": name, "data": data, "encoder": encoder, "version": 1}
    metadata = {"scrapbook": {"name": name, "data": True, "display": False}}
    show({f"application/scrapbook.scrap.{encoder}+json": content}, raw=True, metadata=metadata)
    if display:
        show(value, metadata={"scrapbook": {"name": name, "data": False, "display": True}})


def _plain(value):
    """Convert a value to JSON types."""
    if type(value).__name__ in ("NaTType", "NAType"):  # pandas' missing values; NaT is a datetime
        return None
    if value is None or isinstance(value, (bool, str, int)):
        return value if type(value) in (type(None), bool, str, int) else _base(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return [_plain(item) for item in sorted(value, key=repr)]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, pathlib.PurePath):
        return str(value)
    return _plain_of_libraries(value)


def _plain_of_libraries(value):
    """Convert values of numpy, pandas and similar libraries, recognized by their methods."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return [_plain(row) for row in value.to_dict("records")]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if getattr(getattr(value, "dtype", None), "kind", "") in "mM" and hasattr(value, "tolist"):
        return _times(value)
    if getattr(value, "ndim", None) == 0 and hasattr(value, "to_netcdf"):  # xarray's result of mean()
        return _plain(value.values)
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if hasattr(value, "items") and hasattr(value, "keys"):
        return {str(key): _plain(item) for key, item in value.items()}
    raise TypeError(type(value).__name__)


def _times(value):
    """Convert numpy's times to ISO 8601 and durations to seconds; tolist would return nanoseconds."""
    import numpy

    if value.ndim:
        return [_times(item) for item in value]
    if numpy.isnat(value):
        return None
    return str(value) if value.dtype.kind == "M" else float(value / numpy.timedelta64(1, "s"))


def _base(value):
    """Convert a subclass of int or str, such as an enum's member, to the plain type."""
    return str.__str__(value) if isinstance(value, str) else int(value)


def _bundle_of(name, value):
    """Return the display of an array or a table that has a place on the Earth, None for other values."""
    if getattr(value, "ndim", None) == 0 or not any(hasattr(value, one) for one in ("to_netcdf", "total_bounds")):
        return None
    from packmill_geodata import bundle_of

    return bundle_of(name, value)


def _is_figure(value):
    return type(value).__name__ == "Figure" and hasattr(value, "savefig")


def _png_of(figure):
    stream = io.BytesIO()
    figure.savefig(stream, format="png", bbox_inches="tight")
    return {"image/png": base64.b64encode(stream.getvalue()).decode(), "text/plain": repr(figure)}


def _can_show(value):
    kinds = (
        "_repr_html_",
        "_repr_svg_",
        "_repr_png_",
        "_repr_jpeg_",
        "_repr_markdown_",
        "_repr_latex_",
        "_repr_mimebundle_",
    )
    return any(hasattr(value, kind) for kind in kinds)
