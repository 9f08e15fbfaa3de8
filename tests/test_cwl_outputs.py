"""What a container may leave as outputs, and what ends the run. All markers lie in the test's own folders."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from generator.tools import cwl_outputs
from generator.tools.cwl_outputs import OutputFolder, OutputRefusedError


@pytest.fixture
def outdir(tmp_path: Path) -> Path:
    folder = tmp_path / "outdir"
    (folder / "output").mkdir(parents=True)
    (folder / "output" / "a.txt").write_text("a")
    return folder


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    file = tmp_path / "host" / "marker.txt"
    file.parent.mkdir()
    file.write_text("of the host")
    return file


def access(outdir: Path, *inputs: Path) -> OutputFolder:
    return OutputFolder(str(outdir), inside="/var/spool/inside", inputs=[str(path) for path in inputs])


def described(path: Path, **changes: Any) -> dict[str, Any]:
    kind = "Directory" if path.is_dir() else "File"
    return {"class": kind, "location": path.as_uri(), "basename": path.name, **changes}


def test_files_and_folders_of_the_output_folder_pass(outdir: Path) -> None:
    files = access(outdir)

    assert files.glob(str(outdir / "output" / "*")) == [(outdir / "output/a.txt").as_uri()]
    assert files.isdir(str(outdir / "output"))
    with files.open(str(outdir / "output/a.txt"), "r") as file:
        assert file.read() == "a"
    files.check({"out": [described(outdir / "output/a.txt")], "output_dir": described(outdir / "output"), "n": None})


@pytest.mark.parametrize("way", ["glob", "open", "isfile", "size", "exists", "check"])
def test_a_link_to_a_file_of_the_host_ends_the_run(outdir: Path, marker: Path, way: str) -> None:
    link = outdir / "output" / "link.txt"
    link.symlink_to(marker)
    files = access(outdir)
    ways = {
        "glob": lambda: files.glob(str(outdir / "output" / "l*")),
        "open": lambda: files.open(str(link), "r"),
        "isfile": lambda: files.isfile(str(link)),
        "size": lambda: files.size(str(link)),
        "exists": lambda: files.exists(str(link)),
        "check": lambda: files.check({"out": described(link)}),
    }

    with pytest.raises(OutputRefusedError, match=r"output/link\.txt: the link leaves the output folder"):
        ways[way]()
    assert marker.read_text() == "of the host"


def test_a_link_deep_in_a_folder_and_a_link_to_a_folder_end_the_run(outdir: Path, marker: Path) -> None:
    (outdir / "output" / "deep").mkdir()
    (outdir / "output" / "deep" / "link").symlink_to(marker.parent)

    with pytest.raises(OutputRefusedError, match="output/deep/link: the link leaves"):
        access(outdir).isdir(str(outdir / "output"))


def test_a_folder_of_the_path_that_is_a_link_ends_the_run(outdir: Path, marker: Path) -> None:
    (outdir / "out").symlink_to(marker.parent)

    with pytest.raises(OutputRefusedError, match="outside of the output folder"):
        access(outdir).glob(str(outdir / "out" / "*"))


def test_a_location_outside_or_elsewhere_ends_the_run(outdir: Path, marker: Path) -> None:
    files = access(outdir)

    with pytest.raises(OutputRefusedError, match="outside of the output folder"):
        files.check({"out": described(marker)})
    with pytest.raises(OutputRefusedError, match="does not name a file"):
        files.check({"out": described(outdir / "output/a.txt", location="https://example.org/a.txt")})
    with pytest.raises(OutputRefusedError, match="not an address"):
        files.isfile("https://example.org/a.txt")
    with pytest.raises(OutputRefusedError, match="does not name a file"):
        files.check({"out": {"class": "File", "basename": "made.txt", "location": "_:1", "contents": "text"}})


@pytest.mark.parametrize("name", ["../a.txt", "a/b", "..", ".", "", "a\nb", None, 3])
def test_a_name_that_is_a_path_ends_the_run(outdir: Path, name: Any) -> None:
    with pytest.raises(OutputRefusedError, match="not a plain file name"):
        access(outdir).check({"out": described(outdir / "output/a.txt", basename=name)})


def test_names_count_at_any_depth(outdir: Path) -> None:
    inner = described(outdir / "output/a.txt", basename="../b")
    for outer in ({"secondaryFiles": [inner]}, {"listing": [described(outdir / "output", listing=[inner])]}):
        with pytest.raises(OutputRefusedError, match="not a plain file name"):
            access(outdir).check({"out": {"any": [described(outdir / "output", **outer)]}})


def test_a_result_that_would_be_a_hidden_file_ends_the_run(outdir: Path) -> None:
    hidden = outdir / "output" / ".profile"
    hidden.write_text("")
    files = access(outdir)

    with pytest.raises(OutputRefusedError, match=r"'\.profile' is hidden"):
        files.check({"out": [described(hidden)]})
    files.check({"out": described(outdir / "output")})  # inside of a folder it is nobody's configuration


def test_pipes_and_sockets_are_refused_and_never_opened(outdir: Path) -> None:
    os.mkfifo(outdir / "output" / "pipe")
    with pytest.raises(OutputRefusedError, match="output/pipe: a named pipe cannot be an output"):
        access(outdir).isdir(str(outdir / "output"))
    (outdir / "output" / "pipe").unlink()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(outdir / "output" / "s"))
        with pytest.raises(OutputRefusedError, match="output/s: a socket"):
            access(outdir).open(str(outdir / "output" / "s"), "rb")


def test_links_that_stay_inside_become_what_they_point_to(outdir: Path) -> None:
    output = outdir / "output"
    (output / "folder").mkdir()
    (output / "folder" / "b.txt").write_text("b")
    (output / "link.txt").symlink_to("a.txt")
    (output / "absolute.txt").symlink_to("/var/spool/inside/output/folder/b.txt")
    (output / "linked").symlink_to("folder")
    files = access(outdir)

    assert files.isdir(str(output))
    assert not [path for path in output.rglob("*") if path.is_symlink()]
    assert (output / "link.txt").read_text() == "a"
    assert (output / "absolute.txt").read_text() == "b"
    assert (output / "linked" / "b.txt").read_text() == "b"


def test_links_in_a_circle_and_broken_links_end_the_run(outdir: Path) -> None:
    for name in ("one", "two"):
        (outdir / "output" / name).mkdir()
    (outdir / "output/one/link").symlink_to("../two")
    (outdir / "output/two/link").symlink_to("../one")
    with pytest.raises(OutputRefusedError, match="leads back to a folder that it lies in"):
        access(outdir).isdir(str(outdir / "output"))

    (outdir / "broken").symlink_to("nowhere")
    with pytest.raises(OutputRefusedError, match="broken: a broken link"):
        access(outdir).isfile(str(outdir / "broken"))


def test_links_cannot_multiply_files_without_end(outdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cwl_outputs, "_MOST_COPIES", 3)
    for number in range(4):
        (outdir / "output" / f"link{number}").symlink_to("a.txt")

    with pytest.raises(OutputRefusedError, match="more than 3 files"):
        access(outdir).isdir(str(outdir / "output"))


def test_special_bits_are_cleared_and_folders_made_readable(outdir: Path) -> None:
    tool, locked = outdir / "output" / "tool", outdir / "output" / "locked"
    tool.write_text("")
    tool.chmod(0o6755)
    locked.mkdir()
    locked.chmod(0o2000)

    access(outdir).isdir(str(outdir / "output"))

    assert stat.S_IMODE(tool.stat().st_mode) == 0o755
    assert stat.S_IMODE(locked.stat().st_mode) == 0o700


def test_an_input_may_be_an_output_again(outdir: Path, marker: Path) -> None:
    files = access(outdir, marker.parent)
    (outdir / "cache").symlink_to(marker.parent)  # as cwltool links a folder that a step updates in place

    files.check({"cache": described(outdir / "cache"), "file": described(marker)})
    assert (outdir / "cache").is_symlink()


def test_an_output_object_must_be_a_file_of_bounded_size(outdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cwl_outputs, "_LARGEST_OBJECT", 10)
    (outdir / "cwl.output.json").write_text(" " * 11)

    with pytest.raises(OutputRefusedError, match=r"cwl\.output\.json: larger than"):
        access(outdir).open(str(outdir / "cwl.output.json"), "r")
    assert not access(outdir).exists(str(outdir / "other.json"))
