#!/usr/bin/env bash
# async-geotiff 0.5.1 cannot read the reference system of an image that GDAL wrote from a PROJ string with datum=WGS84.
#
# For a system without an EPSG code, GDAL writes the code of the datum (GeogGeodeticDatumGeoKey, 6326 for WGS 84) next to the
# ellipsoid. async-geotiff makes a datum of that code without an ellipsoid, which PROJ refuses: "crs" raises CRSError ("Invalid
# projection"), for Albers, Lambert and every other projection. With ellps=GRS80, which has no datum's code, it works. rasterio reads
# both. A catalog or a tile server made with it loses all such images.
# The script writes one image of each kind by rasterio 1.4.4, and prints what both libraries read.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'async-geotiff==0.5.1' 'async-tiff==0.7.2' 'rasterio==1.4.4' 2> /dev/null

cat > read.py << 'PYTHON'
import asyncio
import os
import warnings

import numpy
import rasterio
from async_geotiff import GeoTIFF
from async_tiff.store import LocalStore
from rasterio.transform import from_origin

warnings.simplefilter("ignore")
PROJECTION = "+proj=laea +lat_0=10 +lon_0=20 +units=m"

async def read(name):
    return (await GeoTIFF.open(name, store=LocalStore(os.getcwd()))).crs

for figure in ("ellps=GRS80", "datum=WGS84"):
    options = {"width": 8, "height": 8, "count": 1, "dtype": "uint8", "transform": from_origin(0, 0, 1000, 1000)}
    with rasterio.open("a.tif", "w", driver="GTiff", crs=f"{PROJECTION} +{figure}", **options) as file:
        file.write(numpy.zeros((8, 8), "uint8"), 1)
    known = rasterio.open("a.tif").crs.to_dict()["proj"]
    try:
        found = asyncio.run(read("a.tif")).coordinate_operation.method_name
    except Exception as error:
        found = f"{type(error).__name__}: {str(error).partition(':')[0]}"
    print(f"{figure}: rasterio {known}, async-geotiff {found}")
PYTHON
output=$(venv/bin/python read.py 2> /dev/null)
echo "$output"
expected='ellps=GRS80: rasterio laea, async-geotiff Lambert Azimuthal Equal Area
datum=WGS84: rasterio laea, async-geotiff CRSError: Invalid projection'
if [ "$output" != "$expected" ]; then
    echo 'changed: the image with the datum was not readable, the other one was' >&2
    exit 1
fi
