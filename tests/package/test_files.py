"""Packages appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Finished, commit_all, write_notebook

from generator.package import folder
from generator.package.folder import replace_folder
from generator.package.folder_lock import locked
from generator.repository.places import PlaceTakenError
from generator.shared.errors import UsageError


def documents(text: str, *more: str) -> dict[str, str | bytes]:
    names = ["process.cwl", *more, "package.json"]
    return {**dict.fromkeys(names, text), "package.json": json.dumps({"documents": names})}


def nothing(_: Path) -> None:
    pass


@pytest.fixture
def final(tmp_path: Path) -> Path:
    """A package with a file of its user."""
    place = tmp_path / "packages" / "main"
    replace_folder(place, documents("one"), check=nothing)
    (place / "mine.txt").write_text("mine")
    return place


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_an_interruption_leaves_a_whole_package_and_the_user_s_files(
    fails_at: int, exchanges: bool, final: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, calls = Path.rename, []

    def interrupted(path: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == fails_at:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    if not exchanges:
        monkeypatch.setattr(folder, "exchange", lambda *_: False)
    with pytest.raises(KeyboardInterrupt):
        replace_folder(final, documents("two"), check=nothing)

    was_exchanged = fails_at > (1 if exchanges else 3)
    assert (final / "process.cwl").read_text() == ("two" if was_exchanged else "one")
    assert (final / "mine.txt").read_text() == "mine"
    assert [path.name for path in final.parent.iterdir()] == ["main"]


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("killed_at", range(1, 5))
def test_a_killed_replacement_is_finished_or_undone_by_the_next_one(
    killed_at: int, exchanges: bool, final: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill = (
        "import os, signal, sys; from pathlib import Path; from generator.package import folder\n"
        "rename, calls = Path.rename, []\n"
        "def killed(path, target):\n"
        f"    calls.append(target); len(calls) < {killed_at} or os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return rename(path, target)\n"
        f"Path.rename = killed; {exchanges} or setattr(folder, 'exchange', lambda *_: False)\n"
        f"folder.replace_folder(Path(sys.argv[1]), {documents('two')!r}, check=lambda _: None)"
    )
    done = subprocess.run([sys.executable, "-c", kill, final], check=False)

    assert done.returncode == -signal.SIGKILL or killed_at > 3
    replace_folder(final, documents("three"), check=nothing)
    assert (final / "process.cwl").read_text() == "three"
    assert (final / "mine.txt").read_text() == "mine"
    assert [path.name for path in final.parent.iterdir()] == ["main"]


def test_a_package_behind_a_link_is_replaced_where_the_link_leads(final: Path, tmp_path: Path) -> None:
    link = tmp_path / "linked" / "main"
    link.parent.mkdir()
    link.symlink_to(final)

    for text in ("two", "three"):
        assert replace_folder(link, documents(text), check=nothing)
        assert link.readlink() == final
        assert (final / "process.cwl").read_text() == text
        assert (final / "mine.txt").read_text() == "mine"
        assert [path.name for folder in (link, final) for path in folder.parent.iterdir()] == ["main", "main"]


def test_a_package_is_made_where_a_link_leads_to_nothing_yet(tmp_path: Path) -> None:
    (tmp_path / "main").symlink_to(tmp_path / "large" / "trees")

    assert replace_folder(tmp_path / "main", documents("one"), check=nothing)
    assert (tmp_path / "large/trees/process.cwl").read_text() == "one"


def test_a_link_to_a_folder_next_to_the_places_does_not_wait_for_the_build_s_own_lock(tmp_path: Path) -> None:
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada/main").symlink_to(tmp_path / "trees")

    with locked(tmp_path):
        assert replace_folder(tmp_path / "ada/main", documents("one"), check=nothing)


@pytest.mark.parametrize("kind", ["new", "ready", "earlier"])
@pytest.mark.parametrize("leads_to", ["elsewhere", "nowhere"])
def test_links_that_are_in_the_way_are_removed_and_not_followed(
    leads_to: str, kind: str, final: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    replace_folder(elsewhere, documents("other"), check=nothing)
    (elsewhere / "theirs.txt").write_text("theirs")
    folder._leftover(final, kind).symlink_to(tmp_path / leads_to)

    assert replace_folder(final, documents("two"), check=nothing)
    assert sorted(path.name for path in elsewhere.iterdir()) == ["package.json", "process.cwl", "theirs.txt"]
    assert sorted(path.name for path in final.iterdir()) == ["mine.txt", "package.json", "process.cwl"]
    assert [path.name for path in final.parent.iterdir()] == ["main"]


def test_a_check_that_fails_leaves_the_earlier_package(final: Path) -> None:
    def refuse(_: Path) -> None:
        raise UsageError("no")

    with pytest.raises(UsageError):
        replace_folder(final, documents("two"), check=refuse)

    assert (final / "process.cwl").read_text() == "one"
    assert [path.name for path in final.parent.iterdir()] == ["main"]


def test_a_folder_of_someone_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")

    with pytest.raises(UsageError, match="not a package of packmill"):
        replace_folder(tmp_path, documents("one"), check=nothing)

    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize("kind", ["file", "link", "link to nothing"])
def test_a_user_s_file_with_the_name_of_a_new_folder_is_kept(kind: str, final: Path) -> None:
    if kind == "file":
        (final / "examples").write_text("mine")
    else:
        (final / "examples").symlink_to("." if kind == "link" else "nothing")

    with pytest.raises(PlaceTakenError, match=r"did not write \(examples\)"):
        replace_folder(final, documents("two", "examples/a.txt", "examples/b/c.txt"), check=nothing)

    assert os.path.lexists(final / "examples")
    assert (final / "process.cwl").read_text() == "one"


def test_a_user_s_folder_with_the_name_of_a_document_is_kept(final: Path) -> None:
    (final / "process.cwl").unlink()
    (final / "process.cwl").mkdir()
    (final / "process.cwl/mine.txt").write_text("mine")

    with pytest.raises(PlaceTakenError, match=r"did not write \(process.cwl\)"):
        replace_folder(final, documents("two"), check=nothing)

    assert (final / "process.cwl/mine.txt").read_text() == "mine"


def test_a_document_may_become_a_folder_of_documents(final: Path) -> None:
    for names in (("examples",), ("examples/a.txt",), ("examples/a.txt", "examples/b.txt")):
        assert replace_folder(final, documents("two", *names), check=nothing)
        assert {path.relative_to(final).as_posix() for path in final.glob("examples/*")} == {*names} - {"examples"}


def test_a_place_that_cannot_be_written_is_named() -> None:
    with pytest.raises(UsageError, match=r"/dev/null/main cannot be written: .*choose another --output"):
        replace_folder(Path("/dev/null/main"), documents("one"), check=nothing)


def test_writers_at_the_same_time_do_not_meet(tmp_path: Path) -> None:
    code = (
        "import json, sys; from pathlib import Path; from generator.package.folder import replace_folder\n"
        "for n in range(30): replace_folder(Path(sys.argv[1]), {'process.cwl': f'{sys.argv[2]} {n}',"
        " 'package.json': json.dumps({'documents': ['process.cwl', 'package.json']})}, check=lambda _: None)"
    )
    final = tmp_path / "out" / "main"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(final), str(n)]) for n in range(3)]

    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert [path.name for path in final.parent.iterdir()] == ["main"]
    assert (final / "process.cwl").read_text().endswith(" 29")


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a.ipynb", "b.ipynb"], ["a", "b"]),
        (["a/x.ipynb", "b/x.ipynb"], ["a-x", "b-x"]),
        (["process.sh", "work/process.ipynb"], ["process", "work-process"]),
        (["v1.0/x.y.ipynb", "b/c/.d.sh"], ["v1.0-x.y", "b-c-.d"]),
    ],
)
def test_every_process_has_a_folder_of_its_own(
    paths: list[str], names: list[str], repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    for path in paths:
        if path.endswith(".ipynb"):
            write_notebook(repository / path, "n = 1")
        else:
            (repository / path).parent.mkdir(parents=True, exist_ok=True)
            (repository / path).write_text("#!/bin/sh\n")
    commit_all(repository)
    options = [word for path in paths for word in ("--process", path)]
    packmill("build", repository, "--no-image", "--output", tmp_path / "out", "--process", paths[0])

    finished = packmill("build", repository, "--no-image", "--output", tmp_path / "out", *options)

    assert finished.code == 0, finished.err
    top = tmp_path / "out/ada/trees/main"
    assert sorted(path.name for path in top.iterdir()) == sorted(names)


def test_repository_text_adds_nothing_to_a_document(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    from ruamel.yaml import YAML

    notebook = write_notebook(repository / "process.ipynb", "y = 1  # type: int a doc \x07\u2028with marks")
    document = json.loads(notebook.read_text())
    title = "# Harmless\rcwl:requirements: [{class: NetworkAccess, networkAccess: true}]\r# \x1b[2J`|<b>"
    document["cells"].insert(0, {"cell_type": "markdown", "id": "t", "metadata": {}, "source": title})
    notebook.write_text(json.dumps(document))
    commit_all(repository, "A title \x1b[2J\x07")

    finished = packmill("build", repository, "--no-image", "--output", tmp_path / "out")

    assert finished.code == 0, finished.err
    package = Path(finished.out.strip())
    assert YAML(typ="safe").load((package / "inputs.yml").read_text()) == {"y": 1}
    everything = finished.err + "".join(path.read_text() for path in package.iterdir())
    assert "\x1b" not in everything
    assert "\r" not in everything
    assert "\u2028" not in everything


def test_a_secret_default_of_a_shell_process_is_written_nowhere(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    (repository / "run.sh").write_text("#!/bin/sh\n")
    (repository / "algorithm_config.yml").write_text("inputs:\n  - {name: token, type: secret, default: hunter2}\n")
    commit_all(repository)

    finished = packmill("build", repository, "--no-image", "--output", tmp_path / "out", "--process", "run.sh")

    package = Path(finished.out.strip())
    assert "hunter2" not in finished.err + "".join(path.read_text() for path in package.iterdir())


def test_a_long_title_costs_no_time(repository: Path, packmill: Callable[..., Finished]) -> None:
    notebook = write_notebook(repository / "process.ipynb", "n = 1")
    document = json.loads(notebook.read_text())
    title = "# a" + " " * 500_000 + "b"
    document["cells"].insert(0, {"cell_type": "markdown", "id": "t", "metadata": {}, "source": title})
    notebook.write_text(json.dumps(document))

    assert packmill("inspect", repository).code == 0
