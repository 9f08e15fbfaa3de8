"""What is said on the host of a notebook whose repository describes no environment, and under which names."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Finished, commit_all, write_notebook

from generator.notebook.distributions import distribution_of, removed_modules


@pytest.fixture
def warnings(repository: Path, packmill: Callable[..., Finished]) -> Callable[..., list[str]]:
    """The messages of ``packmill inspect`` about a notebook of these cells, all of which are about no line."""

    def of(*sources: str, **files: str) -> list[str]:
        write_notebook(repository / "process.ipynb", "n = 1", *sources)
        for name, text in files.items():
            path = repository / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        inspected = packmill("inspect", repository, "--json").json()
        assert {warning["line"] for warning in inspected["warnings"]} <= {0}
        return [warning["message"] for warning in inspected["warnings"]]

    return of


def test_imports_that_nothing_declares_are_named_with_the_lines_that_would(
    warnings: Callable[..., list[str]],
) -> None:
    [said] = warnings("import numpy as np\nimport cv2", "import os, json\nimport skimage.io")

    assert said == (
        "the repository has no environment, and process.ipynb imports numpy, cv2, skimage; "
        "add a requirements.txt that lists: numpy, opencv-python-headless, scikit-image"
    )


def test_a_build_says_it_too(repository: Path, tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    write_notebook(repository / "process.ipynb", "n = 1", "import numpy")
    commit_all(repository)

    built = packmill("build", repository, "--no-image", "--output", tmp_path / "packages")

    assert built.code == 0, built.err
    assert "process.ipynb imports numpy; add a requirements.txt that lists: numpy\n" in built.err


def test_two_modules_of_one_distribution_are_listed_once(warnings: Callable[..., list[str]]) -> None:
    [said] = warnings("import matplotlib.pyplot as plt\nfrom mpl_toolkits.axes_grid1 import ImageGrid")

    assert said.endswith("lists: matplotlib")


@pytest.mark.parametrize(
    "source",
    [
        "import os, json, zoneinfo",
        "import IPython\nfrom packmill import glue\nimport ipykernel",
        "try:\n    import numpy\nexcept ImportError:\n    numpy = None",
        "import imp",
        "%%bash\nimport numpy",
    ],
)
def test_what_needs_no_declaration_is_no_warning(source: str, warnings: Callable[..., list[str]]) -> None:
    assert warnings(source) == []


def test_what_an_earlier_python_had_needs_none_whichever_python_packmill_runs_on(
    warnings: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdlib_module_names", sys.stdlib_module_names - removed_modules.keys())

    assert warnings("import imp, telnetlib") == []


def test_modules_of_the_repository_need_none_wherever_they_are(warnings: Callable[..., list[str]]) -> None:
    files = {"beside.py": "", "src__trees____init__.py": "", "lib__inner__heights.py": ""}

    assert warnings("import beside, trees, inner, lib.inner.heights", **files) == []


@pytest.mark.parametrize(
    "name", ["requirements.txt", "environment.yml", "setup.py", "Dockerfile", "apt.txt", "postBuild", "start"]
)
def test_a_file_that_may_declare_it_is_believed(name: str, warnings: Callable[..., list[str]]) -> None:
    assert warnings("import numpy", **{name: ""}) == []


@pytest.mark.parametrize(
    ("name", "text"), [("runtime.txt", "python-3.11"), ("pyproject.toml", "[tool.ruff]\nline-length = 100")]
)
def test_a_file_that_declares_no_package_is_none(name: str, text: str, warnings: Callable[..., list[str]]) -> None:
    [said] = warnings("import numpy", **{name: text})

    assert said.startswith("the repository has no environment, and process.ipynb imports numpy;")


def test_a_notebook_of_another_language_is_not_read_as_python(
    repository: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n <- 1", "import numpy", language="R", kernel="ir")

    assert packmill("inspect", repository, "--json").json()["warnings"] == []


@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("numpy", "numpy"),
        ("numpy.linalg.norm", "numpy"),
        ("skimage.io", "scikit-image"),
        ("yaml", "PyYAML"),
        ("osgeo.gdal", "GDAL"),
        ("mpl_toolkits.mplot3d", "matplotlib"),
        ("mpl_toolkits.basemap.Basemap", "basemap"),
        ("google.cloud.storage", "google-cloud-storage"),
        ("google.cloud.storage.blob", "google-cloud-storage"),
        ("google.auth", "google-auth"),
        ("google.protobuf.message", "protobuf"),
        ("azure.storage.blob.BlobClient", "azure-storage-blob"),
        ("azure.identity.DefaultAzureCredential", "azure-identity"),
        ("odc.stac", "odc-stac"),
        ("odc.geo.geobox", "odc-geo"),
        ("odc", "odc-stac"),
    ],
)
def test_a_module_is_declared_by_the_name_of_its_distribution(name: str, distribution: str) -> None:
    assert distribution_of(name) == distribution


def test_what_left_python_is_known_with_its_version() -> None:
    assert (removed_modules["imp"], removed_modules["telnetlib"]) == ("3.12", "3.13")
