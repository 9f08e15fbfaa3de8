"""Where cached answers about images are stored."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from generator.containers import image_notes


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files of a user without a home."""

    def has_no_home(_: Path) -> Path:
        raise RuntimeError

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", has_no_home)
    monkeypatch.setattr(image_notes, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    image_notes._own_folder.cache_clear()
    yield tmp_path
    image_notes._own_folder.cache_clear()


def test_a_user_without_a_home_has_a_folder_that_nobody_else_opens(shared: Path) -> None:
    folder = image_notes.notes_folder()

    assert folder == shared / f"packmill-{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("kind", ["link", "open"])
def test_a_folder_that_another_user_may_have_made_is_not_used(kind: str, shared: Path) -> None:
    theirs = shared / f"packmill-{os.getuid()}"
    if kind == "link":
        theirs.symlink_to(shared / "elsewhere")
        (shared / "elsewhere").mkdir(mode=0o700)
    else:
        theirs.mkdir()
        theirs.chmod(0o777)

    folder = image_notes.notes_folder()

    assert folder.parent == shared
    assert folder.name not in (theirs.name, "elsewhere")


def test_an_answer_that_is_nested_too_deeply_is_not_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image gives it, and its JSON is read with another limit than it is written."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    answer: list[object] = []
    for _ in range(100_000):
        answer = [answer]

    image_notes.note("sha256:0", "check", answer)
    image_notes.note("sha256:1", "check", {"kernel": "python3"})

    assert image_notes.recall("sha256:0", "check") is None
    assert image_notes.recall("sha256:1", "check") == {"kernel": "python3"}
    assert len(list(image_notes.notes_folder().rglob("*.*"))) == 1
