"""Which processes get a staging image with the packages that read NetCDF, HDF5, Zarr and GeoTIFF."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import write_notebook

from generator.image.dockerfiles import staging_dockerfile
from generator.image.formats import needs_format_readers
from generator.image.keys import staging_key
from generator.image.names import staging_reference
from generator.process.process import read_process


@pytest.mark.parametrize(
    ("cell", "body", "needed"),
    [
        ("dem = 'out/dem.tif'  # type: stage-out", "", True),
        ("cube = 'cube.NC'  # type: stage-out", "", True),
        ("cube = 'cube.zarr/'  # type: stage-out", "", True),
        ("tiles = 'tiles/*.tiff'  # type: stage-out", "", True),
        ("table = 'table.csv'  # type: stage-out", "import xarray", False),
        ("maps = 'maps/'  # type: stage-out", "import rioxarray as rio", True),
        ("maps = 'maps/'  # type: stage-out", "from osgeo import gdal", True),
        ("maps = 'maps/'  # type: stage-out", "import pandas", False),
        ("maps = 'maps/*'  # type: stage-out", "import netCDF4", True),
        ("maps = 'maps/*.png'  # type: stage-out", "import netCDF4", False),
        ("n = 1", "import netCDF4", False),
    ],
)
def test_declared_outputs_and_imports_decide(tmp_path: Path, cell: str, body: str, needed: bool) -> None:
    write_notebook(tmp_path / "process.ipynb", cell, body)

    assert needs_format_readers(read_process(tmp_path, "process.ipynb")) is needed


def test_other_languages_may_write_any_file_into_a_folder(tmp_path: Path) -> None:
    write_notebook(tmp_path / "process.ipynb", "maps = 'maps/'  # type: stage-out", language="R")

    assert needs_format_readers(read_process(tmp_path, "process.ipynb"))


def test_the_two_staging_images_have_names_and_keys_of_their_own() -> None:
    assert staging_reference(None, formats=True) != staging_reference(None)
    assert staging_key("runner", base_id="base", formats=True) != staging_key("runner", base_id="base", formats=False)
    texts = [staging_dockerfile(base="b", runner="r", key="k", cache="c", formats=one) for one in (True, False)]
    assert ["COPY --from=formats /formats/ /" in text for text in texts] == [True, False]
