"""Datasets of xarray and features of geopandas as scraps: glued by the real libraries, read by the runner."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bytecode import writing_bytecode
from support import read_scraps

import generator.runner.kernel_modules as modules

_PYTHON = Path(sys.prefix) / "formats" / "bin" / "python"
pytestmark = pytest.mark.skipif(not _PYTHON.exists(), reason="scripts/test-formats installs xarray and geopandas")

_PROGRAM = """
import json, sys, types

shown = []
def display(value, raw=False, metadata=None):
    shown.append({"output_type": "display_data", "data": value, "metadata": metadata})
for name in ("IPython", "IPython.display"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["IPython.display"].display = display
sys.path.insert(0, sys.argv[1])
import numpy as np
import xarray as xr
from packmill import glue

def raised(*words):
    try:
        glue(*words)
    except Exception as error:
        return [type(error).__name__, str(error)]

said = {}
"""
_CELLS = """
import geopandas, shapely
cube = xr.Dataset({"t": (("y", "x"), np.arange(6.0).reshape(2, 3))}, attrs={"title": "a cube"})
glue("cube", cube)
glue("array", cube.t)
glue("mean", cube.t.mean())
places = geopandas.GeoDataFrame({"n": [1]}, geometry=[shapely.Point(400_000, 5_200_000)], crs=32633)
glue("places", places)
glue("rows", places[["n"]])
said["large"] = raised("big", xr.Dataset({"t": ("x", np.zeros(5 * 2**20))}))
said["attribute"] = raised("odd", xr.Dataset(attrs={"a": {"b": 1}}))
xr.Dataset.to_netcdf = lambda *_, **__: (_ for _ in ()).throw(ValueError("none of the suitable backends"))
import importlib.util
importlib.util.find_spec = lambda name: None
said["backend"] = raised("cube", cube)
print(json.dumps([shown, said]))
"""


@pytest.fixture(scope="module")
def glued() -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    (folder,) = modules.__path__
    command = [_PYTHON, "-W", "ignore", "-c", _PROGRAM + _CELLS, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=writing_bytecode())
    assert done.returncode == 0, done.stderr
    shown, said = json.loads(done.stdout)
    return shown, said


def test_datasets_and_features_become_files(glued: tuple[list[dict[str, Any]], Any], tmp_path: Path) -> None:
    scraps = read_scraps([{"cell_type": "code", "outputs": glued[0]}], tmp_path).all()

    assert scraps["mean"] == 2.5
    assert scraps["rows"] == [{"n": 1}]
    assert scraps["cube"]["format"] == "application/x-netcdf"
    assert scraps["cube"]["path"] == "scraps/cube.nc"
    feature = json.loads((tmp_path / scraps["places"]["path"]).read_text())["features"][0]
    assert feature["geometry"]["coordinates"] == pytest.approx([13.685969, 46.945988], abs=1e-6), "in WGS 84"
    program = "import sys, xarray; print(*(xarray.open_dataset(one).t.sum().item() for one in sys.argv[1:]))"
    paths = [tmp_path / scraps[name]["path"] for name in ("cube", "array")]
    command = [_PYTHON, "-W", "ignore", "-c", program, *paths]
    read = subprocess.run(command, capture_output=True, text=True, check=True, env=writing_bytecode())
    assert read.stdout.split() == ["15.0", "15.0"]


def test_a_dataset_that_cannot_be_stored_is_refused_with_a_way_out(glued: tuple[Any, dict[str, list[str]]]) -> None:
    said = glued[1]

    assert said["large"][0] == "ValueError"
    assert "40 MiB, and glue stores at most 32 MiB" in said["large"][1]
    assert "big = 'big.nc'  # type: stage-out" in said["large"][1]
    assert said["attribute"][0] == "TypeError"
    assert said["backend"] == [
        "ImportError",
        "glue('cube'): xarray needs a package to write NetCDF: add h5netcdf, netCDF4 or scipy to the environment",
    ]
