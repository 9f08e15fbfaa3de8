"""The home folder of a run: the image's files in writable folders, outside of the results."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from pathlib import Path
from unittest.mock import patch

import pytest
from another_user import as_another_user

from generator.runner.packaged import home as rules
from generator.runner.packaged.home import find_image_home, plan_home, prepare_home
from generator.runner.packaged.kept_copy import KeptHome
from generator.runner.packaged.request import PackagedRun
from generator.runner.packaged.run import run
from generator.runner.packaged.run_folders import home_folder
from generator.shared.failures import DiskFullError


@pytest.fixture
def image_home(tmp_path: Path) -> Path:
    home = tmp_path / "image"
    for name in (".config/mine", ".ssh", "nltk_data", "models/deep", ".local/lib/python3/site-packages"):
        (home / name).mkdir(parents=True)
    (home / ".config/mine/rc").write_text("1")
    (home / ".config/mine/rc").chmod(0o444)
    (home / "nltk_data/punkt").write_text("1")
    (home / "models/a.bin").write_bytes(b"0" * 100_000)
    (home / "models/deep/link").symlink_to("../a.bin")
    (home / ".local/lib/python3/site-packages/a.py").write_text("")
    return home


def fill(disk: Path, *, left: int) -> None:
    """Fill a disk with the file ``ballast``, except for ``left`` bytes."""
    (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - left))


def prepare(tmp_path: Path, image_home: Path | None, **given: str) -> dict[str, str]:
    folder = tmp_path / "homes"
    folder.mkdir()
    environment = dict(given)
    prepare_home(folder, image_home, environment)
    return environment


def test_files_of_the_image_are_found_in_writable_folders(
    image_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    home = Path(prepare(tmp_path, image_home, HOME=str(work))["HOME"])

    assert not home.is_relative_to(work)
    assert (home / "nltk_data/punkt").read_text() == "1"
    assert (home / "models/deep/link").read_bytes() == b"0" * 100_000
    assert (home / ".local/lib/python3/site-packages").is_symlink()
    (home / ".config/mine/rc").write_text("2")
    (home / "nltk_data/new").write_text("2")
    assert (image_home / ".config/mine/rc").read_text() == "1"
    assert not (image_home / "nltk_data/new").exists()
    assert stat.S_IMODE((home / ".config/mine/rc").stat().st_mode) == 0o644
    assert not list(work.iterdir())


def test_settings_that_start_wrote_take_precedence(
    image_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    (work / ".config/mine").mkdir(parents=True)
    (work / ".packmill-1").mkdir()
    (work / "inputs.json").write_text("{}")
    (work / ".gitconfig").write_text("by start")
    (work / ".config/mine/rc").write_text("by start")
    monkeypatch.chdir(work)

    home = Path(prepare(tmp_path, image_home, HOME=str(work))["HOME"])

    assert (home / ".gitconfig").read_text() == (home / ".config/mine/rc").read_text() == "by start"
    assert not (home / "inputs.json").exists()
    assert not (home / ".packmill-1").exists()


@pytest.mark.parametrize("given", ["/nowhere", "/", "/tmp", ""])
def test_a_home_that_an_engine_chose_is_replaced(given: str, image_home: Path, tmp_path: Path) -> None:
    assert prepare(tmp_path, image_home, HOME=given)["HOME"] == str(tmp_path / "homes/home")


def test_a_home_that_a_user_mounted_stays(image_home: Path, tmp_path: Path) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    (mounted / "something").touch()

    assert prepare(tmp_path, image_home, HOME=str(mounted))["HOME"] == str(mounted)
    assert {path.name for path in mounted.iterdir()} == {"something"}


def test_the_image_s_own_home_stays_where_it_is_writable(image_home: Path, tmp_path: Path) -> None:
    environment = prepare(tmp_path, image_home, HOME=str(image_home))

    assert environment["HOME"] == str(image_home)
    assert "XDG_CACHE_HOME" not in environment


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write to every folder")
def test_a_read_only_cache_of_the_image_becomes_writable(image_home: Path, tmp_path: Path) -> None:
    (image_home / "models").chmod(0o555)

    environment = prepare(tmp_path, image_home, HOME="/nowhere", XDG_CACHE_HOME=str(image_home / "models"))

    assert (Path(environment["XDG_CACHE_HOME"]) / "a.bin").stat().st_size == 100_000
    (Path(environment["XDG_CACHE_HOME"]) / "new").touch()


def test_a_cache_that_is_missing_is_made(image_home: Path, tmp_path: Path) -> None:
    environment = prepare(tmp_path, image_home, HOME="/nowhere", XDG_CACHE_HOME="/proc/missing")

    assert Path(environment["XDG_CACHE_HOME"]) == tmp_path / "homes/xdg_cache_home"
    assert Path(environment["XDG_CACHE_HOME"]).is_dir()


def test_a_large_home_costs_a_limited_number_of_links(
    image_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        (image_home / f"many-{number}/inside").mkdir(parents=True)
        (image_home / f"many-{number}/inside/file").write_text("x")
    monkeypatch.setattr(rules._Tree.__init__, "__defaults__", (20, 10**6))

    home = Path(prepare(tmp_path, image_home, HOME="/nowhere")["HOME"])

    assert all((home / f"many-{number}/inside/file").read_text() == "x" for number in range(30))
    assert sum(not path.is_symlink() for path in home.rglob("*")) <= 20


def test_a_home_for_which_the_disk_has_no_space_fails_the_run(
    image_home: Path, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "note.json").write_text(json.dumps({"home": str(image_home)}))
    monkeypatch.setattr("generator.runner.image_note._note", tmp_path / "note.json")
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    monkeypatch.setenv("HOME", "/nowhere")
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository/process.sh").write_text("echo result > result.txt\n")
    (image_home / ".cdsapirc").write_bytes(b"k" * 30_000)
    fill(small_disk, left=16_384)
    output = tmp_path / "output"

    with patch.dict(os.environ), pytest.raises(DiskFullError, match="no space is left"):
        run(PackagedRun(process="process.sh", repository=str(tmp_path / "repository"), output=output))

    result = json.loads((output / "result.json").read_text())
    assert (result["exit_code"], result["reason"]) == (10, "disk-full")
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]


def test_a_home_of_which_the_disk_had_space_for_a_part_is_not_kept(
    image_home: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    monkeypatch.setenv("HOME", "/nowhere")
    (image_home / ".cdsapirc").write_bytes(b"k" * 30_000)
    kept = KeptHome()
    fill(small_disk, left=16_384)

    full = pytest.raises(OSError, match="No space left")
    with full, patch.dict(os.environ), home_folder(image_home, kept, in_place=False):
        pytest.fail("the run begins")
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]

    (small_disk / "ballast").unlink()
    with patch.dict(os.environ), home_folder(image_home, kept, in_place=False) as homes:
        assert (homes / "home/.cdsapirc").read_bytes() == b"k" * 30_000
    kept.remove()


@pytest.mark.parametrize("kind", ["removed", "a folder", "closed"])
def test_a_file_that_is_replaced_while_the_home_is_made_is_left_out(
    kind: str, image_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan, settings = plan_home(Path(image_home.name), {"HOME": "/nowhere"}), image_home / ".config/mine/rc"
    settings.chmod(0)
    if kind != "closed":
        settings.unlink()
    if kind == "a folder":
        settings.mkdir()
    Path("homes").mkdir()
    for folder, mode in ((tmp_path, 0o755), (Path("homes"), 0o777)):
        folder.chmod(mode)

    with as_another_user():
        plan.make(Path("homes"))

    assert not Path("homes/home/.config/mine/rc").exists()
    assert Path("homes/home/models/a.bin").is_symlink()


def test_outside_of_an_image_home_stays(tmp_path: Path) -> None:
    environment = prepare(tmp_path, None, HOME=str(tmp_path))

    assert environment["HOME"] == str(tmp_path)
    assert environment["XDG_CACHE_HOME"] == str(tmp_path / "homes/xdg_cache_home")


def test_the_home_of_an_image_is_that_of_its_user() -> None:
    assert find_image_home({"home": "/home/jovyan", "user": "jovyan"}) == Path("/home/jovyan")
    assert find_image_home({"user": "root"}) == find_image_home({"user": "0:0"}) == Path("/root")
    assert find_image_home({"user": "nobody-by-this-name"}) is None
    assert find_image_home({}) is None
