"""What is refused before a build begins with the wall in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.containers.engine import Image
from generator.environment.environment import BuildPack, Environment
from generator.image import walls
from generator.image.walls import ensure_build_wall
from generator.request.settings import Settings
from generator.shared.errors import EnvironmentSpecError

_PLAIN = Environment(folder="", files=(), buildpack=BuildPack.PLAIN_PYTHON)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings for which a wall would be put in force."""
    found: list[Settings] = []
    monkeypatch.setattr(walls, "guard_builds", lambda settings, **_: found.append(settings))
    steps = {"ada/adds": ["ADD http://10.0.0.1/x /x"], "ada/copies": ["COPY --from=10.0.0.1/x /x /x"], "ada/base": []}

    def inspect(reference: str) -> Image | None:
        known = reference in steps
        return Image(id="x", digest=None, size=1, config={"OnBuild": steps[reference]}) if known else None

    monkeypatch.setattr(walls, "inspect", inspect)
    return found


@pytest.mark.parametrize(
    ("base", "problem"),
    [
        ("ada/adds", "base image ada/adds: the container engine would fetch from the host's network"),
        ("ada/copies", r"10\.0\.0\.1/x: its registry is unknown or in a private network"),
        ("127.0.0.1:5000/x", r"127\.0\.0\.1:5000/x: its registry is unknown or in a private network"),
    ],
)
def test_a_base_image_that_a_package_chooses_is_checked_as_that_of_a_dockerfile(
    base: str, problem: str, begun: list[Settings]
) -> None:
    """``packmill rebuild`` builds on the base image that the package records, and anyone may have written it."""
    with pytest.raises(EnvironmentSpecError, match=problem):
        ensure_build_wall(Settings(network="guarded"), _PLAIN, Path(), print, base_image=base)

    assert begun == []


@pytest.mark.parametrize("base", [None, "ada/base", "localhost/packmill/base:bookworm"])
def test_other_base_images_are_built_on(base: str | None, begun: list[Settings]) -> None:
    ensure_build_wall(Settings(network="guarded"), _PLAIN, Path(), print, base_image=base)

    assert len(begun) == 1


def test_without_a_wall_nothing_is_checked(begun: list[Settings]) -> None:
    ensure_build_wall(Settings(), _PLAIN, Path(), print, base_image="ada/adds")

    assert len(begun) == 0


@pytest.mark.parametrize(
    "flags",
    [
        "--platform=linux/arm64",
        "--platform=linux/amd64/v3",
        "--platform='linux/arm64'",
        "--platform=$OTHER",
        "--platform=${BUILDPLATFORM:-linux/arm64}",
        "--platform=linux/amd64 --platform=linux/arm64",
        "--other=linux/amd64",
    ],
)
def test_base_images_of_another_platform_are_refused(
    flags: str, begun: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the image of the engine's platform is pulled, and its ONBUILD checked."""
    monkeypatch.setattr(walls, "architecture", lambda: "amd64")
    (tmp_path / "Dockerfile").write_text(f"ARG OTHER=linux/arm64\nFROM {flags} ada/base\n")

    with pytest.raises(EnvironmentSpecError, match=r"another platform than linux/amd64:\n  FROM --"):
        walls.check_dockerfile(tmp_path / "Dockerfile", Settings(network="guarded"), print)


@pytest.mark.parametrize("default", ["BUILDPLATFORM=", '"BUILD"PLATFORM=', "X=1 TARGETPLATFORM="])
def test_a_default_for_the_own_platform_is_refused(
    default: str, begun: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walls, "architecture", lambda: "amd64")
    (tmp_path / "Dockerfile").write_text(f"ARG {default}linux/arm64\nFROM --platform=$BUILDPLATFORM ada/base\n")

    with pytest.raises(EnvironmentSpecError, match="another platform"):
        walls.check_dockerfile(tmp_path / "Dockerfile", Settings(network="guarded"), print)


@pytest.mark.parametrize(
    "flag",
    [
        "",
        "--platform=linux/amd64",
        '--platform="linux/amd64"',
        "--platform=$BUILDPLATFORM",
        "--platform=${TARGETPLATFORM}",
    ],
)
def test_base_images_of_the_own_platform_are_not(
    flag: str, begun: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walls, "architecture", lambda: "amd64")
    (tmp_path / "Dockerfile").write_text(f"ARG BUILDPLATFORM\nFROM {flag} ada/base\n")

    walls.check_dockerfile(tmp_path / "Dockerfile", Settings(network="guarded"), print)
