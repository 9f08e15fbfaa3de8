"""PATH and the interpreter of an image, after a ``start`` script or an ENTRYPOINT changed them."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.runner.cli import main
from generator.runner.image_note import ImageVariables, restore_path
from generator.runner.kernels.specs import find_kernels

_IMAGE = "/srv/venv/bin:/usr/local/bin:/usr/bin:/bin"


@pytest.mark.parametrize(
    ("current", "restored"),
    [
        (_IMAGE, _IMAGE),
        ("/usr/local/bin:/usr/bin:/bin:/usr/games", f"{_IMAGE}:/usr/games"),
        (f"/usr/bin:{_IMAGE}", _IMAGE),
        (f"/opt/tools/bin:{_IMAGE}", f"/opt/tools/bin:{_IMAGE}"),
        ("/opt/tools/bin", f"/opt/tools/bin:{_IMAGE}"),
        (f":{_IMAGE}", _IMAGE),
        ("", _IMAGE),
    ],
)
@pytest.mark.parametrize("is_start", [True, False])
def test_the_folders_of_the_image_keep_their_order(current: str, restored: str, *, is_start: bool) -> None:
    assert restore_path(_IMAGE, current, is_start=is_start) == restored


def test_an_entrypoint_may_choose_an_interpreter_and_start_may_not(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to("/bin/sh")
    values = {"PATH": _IMAGE, "VIRTUAL_ENV": "/srv/venv"}
    changed = {"PATH": f"{tmp_path}:{_IMAGE}", "VIRTUAL_ENV": "/other", "PYTHONHOME": "/other"}
    by_start, by_entrypoint = dict(changed), dict(changed)

    ImageVariables(values=values, start="start").restore(by_start)
    ImageVariables(values=values).restore(by_entrypoint)

    assert by_start == {"PATH": f"{_IMAGE}:{tmp_path}", "VIRTUAL_ENV": "/srv/venv"}
    assert by_entrypoint == changed


def test_the_runner_works_in_the_folder_that_the_image_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir("/")

    assert main(["-C", str(tmp_path), "check", "--launch", "a  b", "-x"]) == 42

    assert Path.cwd() == tmp_path
    assert capsys.readouterr().out == '{"launch": ["a  b", "-x"]}\n'


def test_a_folder_that_is_gone_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["-C", str(tmp_path / "gone"), "check"])

    assert f"-C {tmp_path / 'gone'}: No such file or directory" in capsys.readouterr().err


def test_a_kernel_next_to_a_later_python_does_not_replace_that_of_the_first(tmp_path: Path) -> None:
    first, later = tmp_path / "first/bin", tmp_path / "later/bin"
    for folder in (first, later):
        folder.mkdir(parents=True)
        (folder / "python3").symlink_to("/bin/sh")
    spec = later.parent / "share/jupyter/kernels/python3/kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text('{"argv": ["python3"], "language": "python"}')
    own = Path("/opt/packmill/kernel/share/jupyter/kernels")

    from generator.runner.kernels.folders import kernel_folders

    folders = kernel_folders({"PATH": f"{first}:{later}"})

    assert folders.index(own) < folders.index(spec.parents[1])
    assert find_kernels({"PATH": f"{first}:{later}"})
