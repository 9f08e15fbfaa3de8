"""Which of packmill's files are copied into images, and are part of the keys of these images."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import git, here

from generator.image import keys

_ROOMS = ("notebook", "runner", "shared", "staging")


def test_every_file_of_the_rooms_that_travel_is_copied() -> None:
    tracked = git(here.parent, "ls-files", "--", *(f"generator/{room}" for room in _ROOMS)).splitlines()

    assert len(tracked) > 150
    assert {name.removeprefix("generator/") for name in tracked} - set(keys.runner_files()) == set()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with templates and static files in a room that travels, and with files that nobody needs there."""
    folder = tmp_path / "generator"
    files = ("__init__.py", "runner/server/pages/templates/run.html", "runner/server/pages/static/style.css")
    for name in (*files, "runner/__pycache__/cli.cpython-311.pyc", "runner/.DS_Store", "image/keys.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    monkeypatch.setattr(keys, "_package", folder)
    return folder


def test_templates_and_static_files_travel_with_their_room(package: Path) -> None:
    assert sorted(keys.runner_files()) == [
        "__init__.py",
        "runner/server/pages/static/style.css",
        "runner/server/pages/templates/run.html",
    ]


@pytest.mark.parametrize(
    ("name", "is_part"),
    [
        ("runner/server/pages/templates/run.html", True),
        ("runner/server/pages/static/style.css", True),
        ("runner/__pycache__/cli.cpython-311.pyc", False),
        ("image/keys.py", False),
    ],
)
def test_an_edit_changes_the_keys_of_images_that_have_the_file(name: str, is_part: bool, package: Path) -> None:
    before = keys.runner_digest()
    (package / name).write_text("edited")

    assert (keys.runner_digest() != before) == is_part
