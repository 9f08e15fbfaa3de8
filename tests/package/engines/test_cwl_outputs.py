"""What a container may leave as outputs, and what ends the run. All markers lie in the test's own folders."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from schema_salad.ref_resolver import uri_file_path

from generator.package.engines.checked_cwltool import outputs as cwl_outputs
from generator.package.engines.checked_cwltool.kinds import keep_declared_kind
from generator.package.engines.checked_cwltool.outputs import OutputFolder, OutputRefusedError


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
    outer = described(outdir / "output/a.txt", secondaryFiles=[described(outdir / "output", secondaryFiles=[inner])])

    with pytest.raises(OutputRefusedError, match="not a plain file name"):
        access(outdir).check({"out": {"any": [outer]}})


def test_only_fields_that_say_what_and_where_a_file_is_stay(outdir: Path) -> None:
    extra = {"dirname": "elsewhere", "path": "elsewhere", "writable": True, "listing": [{"class": "File"}]}
    inner = {**described(outdir / "output/a.txt"), **extra}
    outer = {**described(outdir / "output", secondaryFiles=[inner]), **extra}

    access(outdir).check({"out": {"any": [outer]}})

    assert outer.keys() == {"class", "location", "basename", "secondaryFiles"}
    assert inner.keys() == {"class", "location", "basename"}


def test_hidden_results_are_left_out_and_named(outdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    hidden = outdir / "output" / ".profile"
    hidden.write_text("")
    visible = described(outdir / "output/a.txt")
    outputs: dict[str, Any] = {"one": described(hidden), "several": [described(hidden), visible]}

    access(outdir).check(outputs)

    assert outputs == {"one": None, "several": [visible]}
    assert "output one: '.profile' is hidden and left out" in caplog.text


def test_hidden_files_deeper_in_a_result_end_the_run(outdir: Path) -> None:
    hidden = outdir / "output" / ".profile"
    hidden.write_text("")
    files = access(outdir)

    for value in ([[described(hidden)]], described(outdir / "output/a.txt", secondaryFiles=[described(hidden)])):
        with pytest.raises(OutputRefusedError, match=r"'\.profile' is hidden"):
            files.check({"out": value})
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


def test_what_is_no_output_may_be_anything(outdir: Path, marker: Path) -> None:
    os.mkfifo(outdir / "pipe")
    (outdir / ".lock").symlink_to("nobody:1234")
    (outdir / "link").symlink_to(marker)
    files = access(outdir)

    assert files.glob(str(outdir)) == [outdir.as_uri()]
    assert files.isdir(str(outdir / "output"))
    with pytest.raises(OutputRefusedError):
        files.isdir(str(outdir))


def test_a_link_to_an_input_in_a_folder_becomes_a_copy(outdir: Path, marker: Path) -> None:
    (outdir / "output" / "link").symlink_to(marker.parent)
    (outdir / "output" / "file").symlink_to(marker)
    marker.chmod(0o4644)

    assert access(outdir, marker.parent).isdir(str(outdir / "output"))

    copies = [outdir / "output/link/marker.txt", outdir / "output/file"]
    for copy in copies:
        copy.write_text("changed")
        assert stat.S_IMODE(copy.stat().st_mode) == 0o644
    assert not [path for path in outdir.rglob("*") if path.is_symlink()]
    assert marker.read_text() == "of the host"


def test_a_copy_of_an_input_holds_nothing_that_lies_elsewhere(outdir: Path, marker: Path, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "elsewhere").symlink_to(marker)
    (outdir / "output" / "link").symlink_to(tmp_path / "given")

    with pytest.raises(OutputRefusedError):
        access(outdir, tmp_path / "given").isdir(str(outdir / "output"))


def test_names_that_are_not_utf_8_are_changed(outdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("très bien".encode(), b"a\xff", b"a\nb", b"c\xff/d\xff"):
        path = Path(os.fsdecode(os.fsencode(outdir) + b"/output/" + name))
        path.parent.mkdir(exist_ok=True)
        path.touch()

    found = access(outdir).glob(str(outdir / "output/*"))

    assert {Path(uri_file_path(uri)).name for uri in found} == {"a.txt", "très bien", "a%FF", "a%0Ab", "c%FF"}
    assert (outdir / "output/c%FF/d%FF").is_file()
    assert r"output/a\xff: renamed to 'a%FF'" in caplog.text


FILE, FOLDER = {"class": "File", "basename": "a"}, {"class": "Directory", "basename": "b"}
FILES = {"type": "array", "items": "File"}


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        (["null", "File"], FOLDER, None),
        (["null", "Directory"], FILE, None),
        (["null", "File"], FILE, FILE),
        (["null", "File"], None, None),
        (FILES, [FILE, FOLDER], [FILE]),
        (["null", FILES], [FOLDER], []),
        ("File", FOLDER, FOLDER),
        (["null", "File", "Directory"], FOLDER, FOLDER),
        (["null", "string"], "text", "text"),
    ],
)
def test_an_output_of_another_kind_is_left_out_where_the_document_allows_it(kind: Any, value: Any, kept: Any) -> None:
    assert keep_declared_kind({"id": "file:///p.cwl#process/out", "type": kind}, value) == kept


def test_after_a_refusal_there_is_a_sentence_to_find(outdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OutputRefusedError, "refusals", [])
    (outdir / "broken").symlink_to("nowhere")

    with pytest.raises(OutputRefusedError):
        access(outdir).isfile(str(outdir / "broken"))

    assert OutputRefusedError.refusals == ["broken: a broken link cannot be an output"]


def test_links_in_a_circle_and_broken_links_end_the_run(outdir: Path) -> None:
    for name in ("one", "two"):
        (outdir / "output" / name).mkdir()
    (outdir / "output/one/link").symlink_to("../two")
    (outdir / "output/two/link").symlink_to("../one")
    with pytest.raises(OutputRefusedError, match="leads back to its own folder"):
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


def test_links_cannot_multiply_empty_folders_without_end(outdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cwl_outputs, "_MOST_COPIES", 3)
    (outdir / "output" / "folder").mkdir()
    for number in range(4):
        (outdir / "output" / f"link{number}").symlink_to("folder")

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
