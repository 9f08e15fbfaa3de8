"""Every process of a repository has a place of its own: no build replaces, deletes or publishes another's package."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import Finished, commit_all, git, write_notebook

from generator.build import pipeline
from generator.package.place import remove_replaced
from generator.repository.places import Claim, Holder

Build = Callable[..., Finished]


@pytest.fixture
def build(repository: Path, tmp_path: Path, packmill: Callable[..., Finished]) -> Build:
    """Builds processes of one commit into ``out``."""

    def run(*processes: str, options: tuple[str | Path, ...] = ()) -> Finished:
        for path in processes:
            if not (repository / path).exists():
                write_notebook(repository / path, "n = 1  # type: int")
        commit_all(repository)
        named = [word for path in processes for word in ("--process", path)]
        return packmill("build", repository, "--no-image", "--output", tmp_path / "out", *named, *options)

    return run


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return tmp_path / "out/ada/trees/main"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """An empty repository that takes deposits."""
    folder = tmp_path / "deposit.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(folder))
    return folder


def _processes(top: Path) -> dict[str, str]:
    """The process of each package at a place, by the package's folder."""
    found = sorted(path.parent for path in top.rglob("package.json"))
    return {str(path.relative_to(top)): _process_of((path / "package.json").read_text()) for path in found}


def _process_of(record: str) -> str:
    return str(json.loads(record)["process"]["path"])


def _deposited(bare: Path) -> dict[str, str]:
    """The process of each deposited package, by the package's folder below ``ada/trees/main``."""
    names = git(bare, "ls-tree", "-r", "--name-only", "main").splitlines()
    found = [name for name in names if name.endswith("/package.json")]
    short = {name: name.removeprefix("ada/trees/main/").rpartition("/")[0] or "." for name in found}
    return {short[name]: _process_of(git(bare, "show", f"main:{name}")) for name in found}


def _as_before(top: Path, folder: str, to: str = "") -> None:
    """Move a package to the place that earlier versions chose for it."""
    (top / to).mkdir(parents=True, exist_ok=True)
    for path in (top / folder).iterdir():
        path.rename(top / to / path.name)
    (top / folder).rmdir()


def _push(top: Path, bare: Path, tmp_path: Path) -> None:
    """Deposit the packages at a place as they are."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(bare), str(clone))
    shutil.copytree(top, clone / "ada/trees/main", dirs_exist_ok=True)
    commit_all(clone, "As before")
    git(clone, "push", "--quiet", "origin", "HEAD:main")


_PLACES = {".": "process.ipynb", "a": "a.ipynb", "b-a": "b/a.ipynb"}


@pytest.mark.parametrize(
    "builds",
    [
        [["process.ipynb", "a.ipynb", "b/a.ipynb"]],
        [["b/a.ipynb"], ["a.ipynb"], ["process.ipynb"]],
        [["process.ipynb"], ["a.ipynb", "b/a.ipynb"], ["a.ipynb"]],
        [["a.ipynb", "b/a.ipynb"], ["process.ipynb", "a.ipynb"], ["b/a.ipynb", "process.ipynb"]],
    ],
)
def test_the_place_does_not_depend_on_what_is_built_together(builds: list[list[str]], build: Build, top: Path) -> None:
    for processes in builds:
        done = build(*processes)
        assert done.code == 0, done.err
        own = next(folder for folder, process in _PLACES.items() if process == processes[0])
        assert Path(done.out.strip()) == (top if len(processes) > 1 else top / own)

    assert _processes(top) == _PLACES


def test_the_json_lists_the_folder_of_each_package(build: Build, top: Path) -> None:
    done = build("process.ipynb", "b/a.ipynb", options=("--json",)).json()

    assert done["package"] == str(top)
    assert done["packages"] == [str(top), str(top / "b-a")]


def test_another_commit_changes_only_the_packages_that_are_built(build: Build, repository: Path, top: Path) -> None:
    build("process.ipynb", "a.ipynb", "b.ipynb")
    before = {path: path.read_bytes() for folder in ("a", "b") for path in (top / folder).iterdir()}
    (top / "notes.txt").write_text("mine")
    write_notebook(repository / "process.ipynb", "m = 2  # type: int")

    assert build("process.ipynb").code == 0

    assert "m:" in (top / "inputs.yml").read_text()
    assert {path: path.read_bytes() for path in before} == before
    assert (top / "notes.txt").read_text() == "mine"


def test_a_build_publishes_its_own_packages_alone(build: Build, bare: Path, top: Path) -> None:
    build("a.ipynb", "b.ipynb")

    done = build("a.ipynb", "c.ipynb", options=("--publish", bare))

    assert done.code == 0, done.err
    assert _deposited(bare) == {"a": "a.ipynb", "c": "c.ipynb"}
    assert sorted(_processes(top)) == ["a", "b", "c"]


def test_a_deposit_keeps_the_packages_of_other_processes(build: Build, bare: Path) -> None:
    for processes in (["a.ipynb"], ["process.ipynb"], ["b.ipynb", "a.ipynb"], ["process.ipynb"]):
        done = build(*processes, options=("--publish", bare))
        assert done.code == 0, done.err

    assert _deposited(bare) == {".": "process.ipynb", "a": "a.ipynb", "b": "b.ipynb"}
    descriptor = json.loads(git(bare, "show", "main:ada/trees/main/a/applicationDescriptor.json"))
    offering = descriptor["processDescription"]["process"]["owsContext"]["offering"]
    assert offering["content"]["href"].endswith(":ada/trees/main/a/application.cwl")


@pytest.mark.parametrize(("first", "second"), [("a/b.ipynb", "a-b.ipynb"), ("x.sh", "x.ipynb")])
def test_a_process_does_not_replace_one_with_the_same_folder(
    first: str, second: str, build: Build, bare: Path, repository: Path, tmp_path: Path, top: Path
) -> None:
    (repository / "x.sh").write_text("#!/bin/sh\n")
    assert build(first, options=("--publish", bare)).code == 0
    before = _processes(top)

    refused = build(second)

    assert refused.code == 18
    assert f"holds the package of {first}; the package of {second} would replace it: rename one" in refused.err
    assert _processes(top) == before
    shutil.rmtree(tmp_path / "out")
    assert build(second, options=("--publish", bare)).code == 18
    assert list(_deposited(bare).values()) == [first]
    assert build(second, options=("--publish", bare, "--replace")).code == 0
    assert list(_deposited(bare).values()) == [second]


@pytest.mark.parametrize(("process", "name"), [("process.ipynb", "README.md"), ("a.ipynb", "a/stage_out.cwl")])
def test_a_file_of_a_person_in_a_deposit_is_found_before_anything_is_built(
    process: str, name: str, build: Build, bare: Path, repository: Path, tmp_path: Path, top: Path
) -> None:
    write_notebook(repository / process, "result = 'x.csv'  # type: stage-out")
    (tmp_path / "mine" / name).parent.mkdir(parents=True)
    (tmp_path / "mine" / name).write_text("mine")
    _push(tmp_path / "mine", bare, tmp_path)

    refused = build(process, options=("--publish", bare))

    assert (refused.code, top.exists(), "Writing" in refused.err) == (18, False, False)
    assert f"files that packmill did not write (ada/trees/main/{name})" in refused.err
    assert git(bare, "show", f"main:ada/trees/main/{name}") == "mine"
    assert build(process, options=("--publish", bare, "--replace")).code == 0


@pytest.mark.parametrize("name", ["maap/algorithm_config.yml", "sbom.cdx.json", "provenance.slsa.json"])
def test_a_file_of_a_person_in_a_package_is_found_before_an_image_is_built(
    name: str, build: Build, repository: Path, top: Path, packmill: Callable[..., Finished], tmp_path: Path
) -> None:
    assert build("process.ipynb").code == 0
    (top / name).parent.mkdir(exist_ok=True)
    (top / name).write_text("mine")
    words = ("--output", tmp_path / "out", "--emit", "maap", "--push", "localhost:1")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipeline, "check_engine", lambda: None)
        patched.setattr(pipeline, "build_image", _refuse_to_build)
        refused = packmill("build", repository, *words)

    assert refused.code == 18, refused.err
    assert f"files that packmill did not write ({name})" in refused.err
    assert (top / name).read_text() == "mine"


def _refuse_to_build(*_: object) -> None:
    raise AssertionError("something is built")


def test_a_process_may_have_the_name_of_the_folder_of_example_files(build: Build, repository: Path, top: Path) -> None:
    write_notebook(repository / "process.ipynb", "table = 'x.csv'  # type: File")
    (repository / "x.csv").write_text("1")
    for processes in (["process.ipynb"], ["example.ipynb"], ["process.ipynb"], ["example.ipynb", "process.ipynb"]):
        done = build(*processes)
        assert done.code == 0, done.err
        write_notebook(repository / processes[0], "table = 'x.csv'  # type: File\nn = 1")

    assert _processes(top) == {".": "process.ipynb", "example": "example.ipynb"}
    assert (top / "example/0_x.csv").read_text() == "1"


def test_two_builds_at_once_keep_each_other_s_packages(build: Build, repository: Path, top: Path) -> None:
    names = ["process.ipynb", "a.ipynb", "b.ipynb"]
    assert build(*names).code == 0
    for name in names:
        write_notebook(repository / name, "n = 2  # type: int")
    commit_all(repository)

    with ThreadPoolExecutor(3) as many:
        done = list(many.map(_build_apart, [(repository, name, top.parents[2]) for name in names]))

    assert [one.returncode for one in done] == [0, 0, 0], [one.stderr for one in done]
    for folder in ("", "a", "b"):
        assert "'n': 2\n" in (top / folder / "inputs.yml").read_text()


def _build_apart(one: tuple[Path, str, Path]) -> subprocess.CompletedProcess[str]:
    repository, process, output = one
    command = (sys.executable, "-m", "generator", "build", repository, "--no-image", "--output", output)
    return subprocess.run((*command, "--process", process), capture_output=True, text=True, check=False)


def test_nothing_else_writes_to_the_output_while_a_package_moves_in(
    build: Build, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of the default process is exchanged as a whole, with the packages below it."""
    held = []

    def is_free(_: Path) -> None:
        descriptor = os.open(top.parents[2], os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held.append(False)
        except BlockingIOError:
            held.append(True)
        finally:
            os.close(descriptor)

    monkeypatch.setattr("generator.build.packages._check_documents", is_free)

    assert build("process.ipynb", "a.ipynb").code == 0
    assert held == [True, True]


class TestPlacesOfEarlierVersions:
    def test_a_package_at_the_top_moves_to_its_folder(
        self, build: Build, bare: Path, tmp_path: Path, top: Path
    ) -> None:
        build("a.ipynb")
        _as_before(top, "a")
        (top / "notes.txt").write_text("mine")
        _push(top, bare, tmp_path)

        done = build("a.ipynb", options=("--publish", bare))

        assert done.code == 0, done.err
        assert _processes(top) == {"a": "a.ipynb"}
        assert sorted(path.name for path in top.iterdir()) == ["a", "notes.txt"]
        assert _deposited(bare) == {"a": "a.ipynb"}
        assert git(bare, "show", "main:ada/trees/main/notes.txt") == "mine"
        assert build("process.ipynb", options=("--publish", bare)).code == 0
        assert _deposited(bare) == {".": "process.ipynb", "a": "a.ipynb"}

    @pytest.mark.parametrize("path", ["process.ipynb", "work/x.ipynb"])
    def test_a_package_in_a_folder_with_a_short_name_moves(
        self, path: str, build: Build, bare: Path, tmp_path: Path, top: Path
    ) -> None:
        build("y.ipynb", path)
        now = "" if path == "process.ipynb" else "work-x"
        files = [file for file in (top / now).iterdir() if file.is_file()]
        (top / "short").mkdir()
        for file in files:
            file.rename(top / "short" / file.name)
        if now:
            (top / now).rmdir()
        _push(top, bare, tmp_path)

        done = build(path, options=("--publish", bare))

        assert done.code == 0, done.err
        assert _processes(top) == _deposited(bare) == {now or ".": path, "y": "y.ipynb"}

    def test_another_process_s_package_at_the_top_is_not_replaced(
        self, build: Build, bare: Path, tmp_path: Path, top: Path
    ) -> None:
        build("a.ipynb")
        _as_before(top, "a")
        _push(top, bare, tmp_path)
        assert build("b.ipynb", options=("--publish", bare)).code == 0
        before = {".": "a.ipynb", "b": "b.ipynb"}
        assert _processes(top) == _deposited(bare) == before

        refused = build("process.ipynb")

        assert refused.code == 18
        assert "build a.ipynb again, which moves its package" in refused.err
        shutil.rmtree(top)
        assert build("process.ipynb", options=("--publish", bare)).code == 18
        assert _deposited(bare) == before
        assert build("a.ipynb", options=("--publish", bare)).code == 0
        assert build("process.ipynb", options=("--publish", bare)).code == 0
        assert _deposited(bare) == {".": "process.ipynb", "a": "a.ipynb", "b": "b.ipynb"}

    def test_both_processes_of_an_exchange_may_be_built_together(self, build: Build, top: Path) -> None:
        """The folder ``a`` was that of ``x/a.ipynb`` when it was built with ``b.ipynb``."""
        build("x/a.ipynb")
        _as_before(top, "x-a", "a")

        done = build("a.ipynb", "x/a.ipynb")

        assert done.code == 0, done.err
        assert _processes(top) == {"a": "a.ipynb", "x-a": "x/a.ipynb"}

    def test_a_package_at_its_old_place_can_be_read(
        self, build: Build, top: Path, packmill: Callable[..., Finished]
    ) -> None:
        build("a.ipynb")
        _as_before(top, "a")

        validated = packmill("validate", top)

        assert validated.code == 0, validated.err


def test_a_package_lists_no_file_outside_of_it_for_removal(tmp_path: Path) -> None:
    top = tmp_path / "out/ada/trees/main"
    top.mkdir(parents=True)
    (top.parent / "kept").write_text("mine")
    (top / "link").symlink_to("..")
    source = {"address": "https://a.example.org/ada/trees", "owner": "ada", "name": "trees"}
    about = {"repository": source, "checkout": "main", "process": {"path": "a.ipynb"}}
    documents = ["../kept", str(top.parent / "kept"), "link/kept", "link/main/../kept", "package.json"]
    (top / "package.json").write_text(json.dumps({**about, "documents": documents}))
    own = Holder(address=source["address"], checkout="main", place="ada/trees/main")

    assert remove_replaced(top, Claim(path=own.place, own=own, folders={"a": "a.ipynb"})) == [""]

    assert sorted(path.name for path in top.parent.iterdir()) == ["kept", "main"]
    assert [path.name for path in top.iterdir()] == ["link"]


def test_a_package_behind_a_link_is_not_removed(tmp_path: Path) -> None:
    top, elsewhere = tmp_path / "out/ada/trees/main", tmp_path / "elsewhere"
    top.mkdir(parents=True)
    elsewhere.mkdir()
    (top / "link").symlink_to(elsewhere)
    source = {"address": "https://a.example.org/ada/trees", "owner": "ada", "name": "trees"}
    about = {"repository": source, "checkout": "main", "process": {"path": "a.ipynb"}}
    (elsewhere / "package.json").write_text(json.dumps({**about, "documents": ["package.json"]}))
    own = Holder(address=source["address"], checkout="main", place="ada/trees/main")

    assert remove_replaced(top, Claim(path=own.place, own=own, folders={"a": "a.ipynb"})) == []

    assert (elsewhere / "package.json").exists()


def test_a_removed_package_leaves_no_empty_folders_of_examples(tmp_path: Path) -> None:
    top = tmp_path / "out/ada/trees/main"
    example = top / "example/0_scene/items/b.json"
    example.parent.mkdir(parents=True)
    example.write_text("{}")
    source = {"address": "https://a.example.org/ada/trees", "owner": "ada", "name": "trees"}
    about = {"repository": source, "checkout": "main", "process": {"path": "a.ipynb"}}
    documents = ["example/0_scene/items/b.json", "package.json"]
    (top / "package.json").write_text(json.dumps({**about, "documents": documents}))
    own = Holder(address=source["address"], checkout="main", place="ada/trees/main")

    assert remove_replaced(top, Claim(path=own.place, own=own, folders={"a": "a.ipynb"})) == [""]

    assert not top.exists()


def test_a_place_without_a_package_names_those_in_its_folders(
    build: Build, top: Path, packmill: Callable[..., Finished]
) -> None:
    assert build("a.ipynb").code == 0

    refused = packmill("run", top)

    assert refused.code == 2
    assert f"its packages are in folders of their own; give one: {top}/a" in refused.err


def test_a_path_that_no_name_can_have_has_a_folder_with_a_digest(build: Build, top: Path) -> None:
    """Its folders become one name, which file systems limit to 255 bytes."""
    paths = [f"{'海' * 60}/{'洋' * 30}/{number}.ipynb" for number in range(2)]

    done = build(*paths)

    assert done.code == 0, done.err
    packages = sorted(path for path in top.iterdir() if path.is_dir())
    assert len(packages) == 2
    assert all(path.name.startswith("海") and len(path.name.encode()) <= 200 for path in packages)
    assert build(*paths).code == 0, "each replaces its own"
    assert sorted(path for path in top.iterdir() if path.is_dir()) == packages
