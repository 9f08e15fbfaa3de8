"""Which processes get a staging image with the packages that read NetCDF, HDF5, Zarr and GeoTIFF."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
from support import write_notebook

from generator.environment.environment import BuildPack, Environment
from generator.image import build
from generator.image.dockerfiles import staging_dockerfile
from generator.image.formats import needs_format_readers
from generator.image.keys import image_key, staging_key
from generator.image.names import staging_reference
from generator.process.process import read_process
from generator.repository.source import Source


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
    texts = [staging_dockerfile(base="b", runner="r", key="k", formats=one) for one in ("f", "")]
    assert ["COPY --from=f /formats/ /" in text for text in texts] == [True, False]


def test_an_image_with_the_readers_serves_processes_that_do_not_need_them(monkeypatch: pytest.MonkeyPatch) -> None:
    time = datetime(2026, 2, 3, tzinfo=timezone.utc)
    source = Source(address="a", owner="o", name="n", checkout="main", commit="c" * 40, message="m", time=time)
    plain, full = (image_key(source, environment="e", formats=one) for one in (False, True))
    monkeypatch.setattr(build.engine, "inspect", lambda _: None)
    found = build.BuiltImage(reference="r", built=False, digest=None)

    def find(*, formats: bool, in_registry: str) -> bool:
        spec = build.ImageSpec(
            reference="r",
            source=source,
            folder=Path(),
            environment=Environment(folder="", files=(), buildpack=BuildPack.PLAIN_PYTHON),
            environment_key="e",
            base_image=None,
            formats=formats,
            find_pushed=lambda key: found if key == in_registry else None,
        )
        return build._find(spec, build._keys(spec, "e")) is not None

    assert [find(formats=False, in_registry=key) for key in (plain, full)] == [True, True]
    assert [find(formats=True, in_registry=key) for key in (plain, full)] == [False, True]
