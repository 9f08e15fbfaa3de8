"""Images that packmill built on this machine, and what to do if one is gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from generator.package.image_presence import require_own_image
from generator.package.run import require_staging_image
from generator.shared.errors import RunError


@pytest.fixture
def engine_without_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\necho 'Error: No such image' >&2\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:/usr/bin:/bin")


@pytest.mark.usefixtures("engine_without_images")
def test_the_advice_for_a_missing_image_is_a_command_that_also_rebuilds_one_s_own_package(tmp_path: Path) -> None:
    image = "localhost/packmill/staging:gone"
    (tmp_path / "package.json").write_text(json.dumps({"staging": {"reference": image}}))
    advice = rf"image not found(?s:.)*: packmill rebuild {tmp_path}\n  add --trust if it is your own package"

    with pytest.raises(RunError, match=advice):
        require_own_image(image, options=(), package=tmp_path)
    with pytest.raises(RunError, match=advice):
        require_staging_image(tmp_path, ())


@pytest.mark.usefixtures("engine_without_images")
@pytest.mark.parametrize(("image", "options"), [("ada/trees", ()), ("localhost/packmill/a:1", ("--podman",))])
def test_images_that_other_engines_or_registries_have_are_not_looked_up(
    image: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    require_own_image(image, options=options, package=tmp_path)
