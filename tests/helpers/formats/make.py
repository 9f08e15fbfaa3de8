"""Write small files by the libraries that scientists use, and their place by rasterio and PROJ, into a folder.

Run by the Python of ``.venv/formats``. ``truth.json`` has the bounding boxes, found by transforming thousands of points.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
import xarray as xr
from rasterio.enums import Resampling
from rasterio.transform import Affine, from_origin
from rasterio.warp import transform_bounds

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
ALBERS = "+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +x_0=0 +y_0=0 +datum=NAD83 +units=m +no_defs"
LAMBERT = "+proj=lcc +lat_1=25 +lat_2=60 +lat_0=42.5 +lon_0=-100 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"
AZIMUTHAL = "+proj=laea +lat_0=10 +lon_0=20 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"
MERCATOR = "+proj=tmerc +lat_0=1 +lon_0=11 +k=0.9999 +x_0=1000 +y_0=2000 +ellps=GRS80 +units=m +no_defs"
STEREOGRAPHIC = "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=-20 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"

IMAGES: dict[str, tuple[Any, Affine, tuple[int, int]]] = {
    "utm": (32633, from_origin(400_000, 5_200_000, 30, 30), (20, 30)),
    "lambert93": (2154, from_origin(650_000, 6_870_000, 1000, 1000), (40, 50)),
    "laea": (3035, from_origin(4_300_000, 3_300_000, 1000, 1000), (300, 200)),
    "feet": (2263, from_origin(980_000, 200_000, 100, 100), (50, 60)),
    "nad27": (4267, from_origin(-100, 40, 0.5, 0.5), (8, 8)),
    "degrees": (4326, from_origin(10, 50, 0.5, 0.25), (8, 4)),
    "rotated": (32633, Affine.translation(400_000, 5_200_000) * Affine.rotation(30) * Affine.scale(30, -30), (20, 30)),
    "sinusoidal": (SINUSOIDAL, from_origin(0, 5_559_752.6, 463.3127 * 20, 463.3127 * 20), (120, 120)),
    "albers": (ALBERS, from_origin(-500_000, 2_000_000, 5000, 5000), (60, 80)),
    "conic": (LAMBERT, from_origin(-2_000_000, 1_500_000, 25_000, 25_000), (80, 90)),
    "azimuthal": (AZIMUTHAL, from_origin(-1_000_000, 1_000_000, 20_000, 20_000), (100, 100)),
    "custom-mercator": (MERCATOR, from_origin(0, 500_000, 1000, 1000), (30, 40)),
    "stereographic": (STEREOGRAPHIC, from_origin(1_000_000, -1_000_000, 5000, 5000), (30, 40)),
    "equidistant": ("+proj=aeqd +lat_0=50 +lon_0=9 +datum=WGS84 +units=m", from_origin(-500_000, 500_000, 10_000, 10_000), (90, 90)),
    "true-scale": ("+proj=merc +lat_ts=30 +lon_0=40 +datum=WGS84 +units=m", from_origin(0, 500_000, 10_000, 10_000), (30, 40)),
    "equirectangular": ("+proj=eqc +lat_ts=40 +lon_0=10 +datum=WGS84 +units=m", from_origin(0, 500_000, 10_000, 10_000), (30, 40)),
    "equal-area": ("+proj=cea +lat_ts=30 +lon_0=10 +datum=WGS84 +units=m", from_origin(0, 500_000, 10_000, 10_000), (30, 40)),
    "one-parallel": ("+proj=lcc +lat_1=46 +lat_0=46 +lon_0=2 +k_0=0.9998 +x_0=6e5 +y_0=2e5 +ellps=intl +units=m", from_origin(0, 500_000, 10_000, 10_000), (30, 40)),
    "clarke": ("+proj=poly +lat_0=30 +lon_0=-90 +datum=NAD27 +units=us-ft +x_0=1000", from_origin(0, 500_000, 10_000, 10_000), (30, 40)),
    "south-stereographic": ("+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=15 +ellps=WGS84 +units=m", from_origin(-500_000, 500_000, 10_000, 10_000), (80, 70)),
    "oblique-stereographic": ("+proj=sterea +lat_0=52 +lon_0=5 +k_0=0.9999 +x_0=155000 +y_0=463000 +ellps=bessel +units=m", from_origin(0, 500_000, 10_000, 10_000), (30, 40)),
    "mollweide": ("ESRI:54009", from_origin(0, 5_000_000, 50_000, 50_000), (40, 40)),
    "world": (3857, from_origin(-20037508.342789244, 20037508.342789244, 626172.1357, 626172.1357), (64, 64)),
    "ease": (6933, from_origin(-17367530.4451615, 7314540.830556 , 36032.220840584, 36032.220840584), (406, 964)),
    "date-line": (32660, from_origin(600_000, 1_000_000, 2000, 2000), (100, 150)),
    "date-line-degrees": (4326, from_origin(170, 10, 1, 1), (5, 30)),
    "north-pole": (3413, from_origin(-2_000_000, 2_000_000, 50_000, 50_000), (80, 80)),
    "south-pole": (3031, from_origin(-3_000_000, 3_000_000, 50_000, 50_000), (120, 120)),
}  # fmt: skip


def write_image(path: Path, crs: Any, transform: Affine, shape: tuple[int, int], **more: Any) -> None:
    height, width = shape
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "compress": "deflate", **more}
    with rasterio.open(path, "w", width=width, height=height, crs=crs, transform=transform, **profile) as file:
        for band in range(1, profile["count"] + 1):
            file.write(np.zeros((height, width), profile["dtype"]), band)


def truth_of(path: Path) -> dict[str, Any]:
    """The place of an image by GDAL: ``bounds`` by transforming a dense grid, ``inside`` points that belong to it."""
    with rasterio.open(path) as file:
        to_degrees = pyproj.Transformer.from_crs(file.crs.to_wkt(), "OGC:CRS84", always_xy=True)
        rows, columns = (number.ravel() for number in np.mgrid[0 : file.height : 12j, 0 : file.width : 12j])
        margin = 0.02 * np.array([file.width, file.height])
        inner = np.clip(columns, margin[0], file.width - margin[0]), np.clip(rows, margin[1], file.height - margin[1])
        points = np.column_stack(to_degrees.transform(*(file.transform * inner)))
        return {
            "shape": [file.height, file.width],
            "transform": list(file.transform)[:6],
            "bounds": transform_bounds(file.crs, "OGC:CRS84", *file.bounds, densify_pts=1001)
            if file.transform.b == 0
            else None,
            "inside": [[(x + 180) % 360 - 180, y] for x, y in points.tolist()],
            "epsg": file.crs.to_epsg(),
        }


def images(folder: Path) -> dict[str, Any]:
    truth = {}
    for name, (crs, transform, shape) in IMAGES.items():
        path = folder / f"{name}.tif"
        with rasterio.Env(GTIFF_SRS_SOURCE="GEOKEYS"):
            write_image(
                path,
                pyproj.CRS.from_user_input(crs).to_wkt("WKT1_GDAL") if isinstance(crs, str) else crs,
                transform,
                shape,
            )
            truth[path.name] = truth_of(path)
    return truth


def layouts(folder: Path) -> None:
    """Images that differ in their layout, their bands or their tags."""
    place = (32633, from_origin(400_000, 5_200_000, 30, 30))
    write_image(folder / "striped.tif", *place, (1024, 1024))
    write_image(folder / "tiled.tif", *place, (1024, 1024), tiled=True, blockxsize=256, blockysize=256)
    with rasterio.open(folder / "tiled.tif", "r+") as file:
        file.build_overviews([2, 4], Resampling.nearest)
    write_image(folder / "cog.tif", *place, (1024, 1024), driver="COG", blocksize=256)
    write_image(folder / "big-cog.tif", *place, (1024, 1024), driver="COG", blocksize=256, BIGTIFF="YES")
    write_image(folder / "plain.tif", None, Affine.identity(), (4, 4))
    write_image(folder / "bands.tif", *place, (4, 4), count=3, dtype="float32", nodata=float("nan"))
    with rasterio.open(folder / "bands.tif", "r+") as file:
        file.set_band_description(1, "surface temperature")
        file.set_band_unit(1, "K")
        file.update_tags(TIFFTAG_DATETIME="2026:02:03 04:05:06")
    write_image(folder / "S2_20260203T101031_T33.tif", *place, (4, 4), dtype="int16", nodata=-9999)
    write_image(folder / "at-points.tif", 4326, from_origin(9.75, 50.25, 0.5, 0.5), (4, 4), AREA_OR_POINT="Point")
    with rasterio.open(folder / "at-points.tif", "r+") as file:
        file.update_tags(AREA_OR_POINT="Point")
    geos = "+proj=geos +h=35786023 +lon_0=-75 +sweep=x +ellps=GRS80 +units=m"
    write_image(folder / "full-disk.tif", geos, from_origin(-5_434_895, 5_434_895, 108_698, 108_698), (100, 100))


def grid(times: int = 3) -> xr.Dataset:
    """Temperatures every six hours, in degrees."""
    lat = xr.DataArray(
        np.arange(50, 45.9, -0.5), dims="lat", attrs={"units": "degrees_north", "standard_name": "latitude"}
    )
    lon = xr.DataArray(
        np.arange(10, 13.1, 1.0), dims="lon", attrs={"units": "degrees_east", "standard_name": "longitude"}
    )
    time = xr.DataArray(
        np.datetime64("2026-02-03T00:00", "ns") + np.arange(times) * np.timedelta64(6, "h"), dims="time"
    )
    data = xr.DataArray(
        np.zeros((times, 9, 4), "float32"), dims=("time", "lat", "lon"), coords={"time": time, "lat": lat, "lon": lon}
    )
    data.attrs = {"units": "K", "long_name": "air temperature"}
    return data.to_dataset(name="t2m")


def projected(crs: Any, xs: Any, ys: Any, units: str = "m") -> xr.Dataset:
    """A variable on axes of a projection, with a CF grid mapping of parameters alone."""
    data = xr.DataArray(
        np.zeros((len(ys), len(xs)), "int16"),
        dims=("y", "x"),
        coords={
            "x": ("x", xs, {"standard_name": "projection_x_coordinate", "units": units}),
            "y": ("y", ys, {"standard_name": "projection_y_coordinate", "units": units}),
        },
        attrs={"grid_mapping": "crs"},
    )
    attributes = {name: value for name, value in pyproj.CRS(crs).to_cf().items() if name != "crs_wkt"}
    return data.to_dataset(name="ice").assign(crs=xr.DataArray(0, attrs=attributes))


def bounds_of(crs: Any, west: float, south: float, east: float, north: float) -> list[float]:
    return list(
        pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform_bounds(west, south, east, north, 1001)
    )


def datasets(folder: Path) -> dict[str, Any]:
    cube = grid()
    cube.to_netcdf(folder / "cube.nc", engine="h5netcdf", encoding={"t2m": {"_FillValue": -9999.0}})
    cube.to_netcdf(folder / "classic.nc", engine="netcdf4", format="NETCDF3_CLASSIC")
    cube.to_netcdf(folder / "classic-64.nc", engine="netcdf4", format="NETCDF3_64BIT", unlimited_dims=["time"])
    cube.to_netcdf(folder / "group.h5", group="science/grids", engine="h5netcdf")
    cube.to_netcdf(folder / "netcdf4.nc", engine="netcdf4", format="NETCDF4", unlimited_dims=["time"])
    cube.to_netcdf(folder / "data64.nc", engine="netcdf4", format="NETCDF3_64BIT_DATA")
    cube.to_zarr(folder / "two.zarr", zarr_format=2, consolidated=True)
    cube.to_zarr(folder / "three.zarr", zarr_format=3, consolidated=False)
    world = cube.isel(time=[0], lat=[0, 1], lon=[0, 1])
    lats, lons = np.arange(90, -90.1, -1.5), np.arange(0, 360, 1.5)
    world = xr.Dataset(
        {"t": (("latitude", "longitude"), np.zeros((lats.size, lons.size), "float32"))},
        {"latitude": lats, "longitude": lons},
    )
    world.to_netcdf(folder / "world_20260101_20260131.nc", engine="h5netcdf")
    crossing = xr.Dataset(
        {"t": (("lat", "lon"), np.zeros((3, 4)))}, {"lat": [0.0, 1, 2], "lon": [178.5, 179.5, 180.5, 181.5]}
    )
    crossing.to_netcdf(folder / "crossing.nc", engine="h5netcdf")
    step = 25_000
    xs, ys = np.arange(-3_837_500, 3_750_000, step) + 0.0, np.arange(5_837_500, -5_350_000, -step) + 0.0
    projected(3413, xs, ys).to_netcdf(folder / "sea-ice.nc", engine="h5netcdf")
    xs, ys = np.arange(4_300.5, 4_400), np.arange(3_200.5, 3_300)
    projected(3035, xs, ys, "km").to_netcdf(folder / "kilometers.nc", engine="h5netcdf")
    xs = np.arange(4_300_500, 4_400_000, 1000) + 0.0
    projected(3035, xs, xs).drop_vars("crs").to_netcdf(folder / "no-mapping.nc", engine="h5netcdf")
    with_wkt = projected(32633, np.arange(400_015, 400_600, 30) + 0.0, np.arange(5_199_985, 5_199_000, -30) + 0.0)
    with_wkt["crs"].attrs = {
        "crs_wkt": pyproj.CRS(32633).to_wkt(),
        "spatial_ref": pyproj.CRS(32633).to_wkt("WKT1_GDAL"),
    }
    with_wkt.to_zarr(folder / "meters.zarr", zarr_format=2)
    _rotated_pole().to_netcdf(folder / "rotated-pole.nc", engine="h5netcdf")
    _swath().to_netcdf(folder / "swath.nc", engine="h5netcdf")
    missing = _swath() * 0
    for name in ("lat", "lon"):
        missing[name] = (
            ("line", "sample"),
            np.zeros((40, 30)),
            {"units": "degrees_north" if name == "lat" else "degrees_east"},
        )
    missing.to_netcdf(folder / "zeros.nc", engine="h5netcdf")
    _months().to_netcdf(folder / "months.nc", engine="h5netcdf")
    no_leap = xr.Dataset(
        {"t": ("time", [1.0, 2.0])},
        {"time": ("time", [0.0, 59.0], {"units": "days since 2026-01-01", "calendar": "360_day"})},
    )
    no_leap.to_netcdf(folder / "calendar.nc", engine="h5netcdf")
    station = xr.Dataset(
        {"t": ("time", [1.0, 2.0])},
        {"time": ("time", [0, 1], {"units": "days since 2026-01-01"}), "lat": 47.0, "lon": 8.5},
    )
    station.to_netcdf(folder / "station.nc", engine="h5netcdf")
    attributes = {
        "geospatial_lat_min": 1.0,
        "geospatial_lat_max": 2.0,
        "geospatial_lon_min": 179.0,
        "geospatial_lon_max": -178.0,
        "time_coverage_start": "2026-02-03T00:00:00Z",
        "time_coverage_end": "2026-02-03T00:05:00.5Z",
    }
    xr.Dataset({"counts": ("n", [1, 2])}, attrs=attributes).to_netcdf(folder / "attributes.h5", engine="h5netcdf")
    xr.Dataset({"counts": ("n", [1, 2])}).to_netcdf(folder / "nowhere.h5", engine="h5netcdf")
    return {
        "kilometers.nc": bounds_of(3035, 4_300_000, 3_200_000, 4_400_000, 3_300_000),
        "meters.zarr": bounds_of(32633, 400_000, 5_199_010, 400_600, 5_200_000),
    }


def _rotated_pole() -> xr.Dataset:
    """Europe on the grid of CORDEX, whose pole is at 39.25 N, 162 W."""
    rlon, rlat = np.arange(-5, 5, 0.5) + 0.25, np.arange(-5, 5, 0.5) + 0.25
    axis = {"units": "degrees"}
    data = xr.Dataset({"t": (("rlat", "rlon"), np.zeros((rlat.size, rlon.size)), {"grid_mapping": "pole"})})
    data = data.assign_coords(
        rlon=("rlon", rlon, {**axis, "standard_name": "grid_longitude"}),
        rlat=("rlat", rlat, {**axis, "standard_name": "grid_latitude"}),
    )
    mapping = {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
    }
    return data.assign(pole=xr.DataArray(0, attrs=mapping))


def _swath() -> xr.Dataset:
    """A swath that leans over the antimeridian, its longitudes between -180 and 180."""
    row, column = np.mgrid[0:40, 0:30]
    lon = (175 + 0.3 * column + 0.05 * row + 180) % 360 - 180
    lat = 10 + 0.2 * row - 0.03 * column
    return xr.Dataset(
        {"radiance": (("line", "sample"), np.zeros((40, 30), "float32"))},
        {
            "lat": (("line", "sample"), lat, {"units": "degrees_north"}),
            "lon": (("line", "sample"), lon, {"units": "degrees_east"}),
        },
    )


def _months() -> xr.Dataset:
    """Monthly means, whose times are mid-month, with bounds."""
    data = grid(2).drop_vars("time")
    data["time"] = ("time", [15.5, 45.0], {"units": "days since 2026-01-01", "bounds": "time_bnds"})
    data["time_bnds"] = (("time", "bnds"), [[0.0, 31.0], [31.0, 59.0]])
    return data


if __name__ == "__main__":
    out = Path(sys.argv[1])
    known = {"images": images(out), "datasets": datasets(out)}
    layouts(out)
    (out / "truth.json").write_text(json.dumps(known))
