"""A place belongs to one repository: packages of another address neither replace it nor hide it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Finished, commit_all, git, write_notebook

from generator.package.folder import replace_folder
from generator.repository.places import Holder, PlaceTakenError, place_taken_error, read_holder, repository_identity
from generator.request.variables import from_variables
from generator.shared.errors import UsageError

_TREES = "host.example.org/ada/trees"


def test_requests_to_a_service_that_others_reach_replace_nothing(tmp_path: Path) -> None:
    variables = {"repository": str(tmp_path), "replace": "yes", "PACKMILL_LOCAL_REPOSITORIES": "no"}

    with pytest.raises(UsageError, match="ask its operator"):
        from_variables(variables)


@pytest.mark.parametrize(
    "address",
    [
        "https://host.example.org/ada/trees.git",
        "https://host.example.org/ada/trees",
        "https://host.example.org/ada/trees.git/",
        "https://HOST.Example.org:443/ada//trees",
        "https://ada:geheim@host.example.org/ada/trees",
        "ssh://git@host.example.org/ada/trees.git",
        "ssh://host.example.org:22/ada/trees.git",
        "git@host.example.org:ada/trees.git",
        "host.example.org:/ada/trees",
        "https://host.example.org/ada/tr%65es",
    ],
)
def test_the_addresses_of_one_repository_are_the_same(address: str) -> None:
    assert repository_identity(address) == _TREES


@pytest.mark.parametrize(
    "address",
    [
        "https://other.example.org/ada/trees.git",
        "https://host.example.org:8443/ada/trees.git",
        "ssh://git@host.example.org:2222/ada/trees.git",
        "https://host.example.org/Ada/trees.git",
        "https://host.example.org/x/../ada/trees",
        "https://host.example.org/ada%2Ftrees",
        "git@host.example.org:ada/tr%65es",
        "ssh://host.example.org/~/ada/trees",
        "/srv/ada/trees",
        "/srv/ada/trees/",
        "/srv/ada/trees.git",
        "/host.example.org/ada/trees",
        "https://[broken/ada/trees",
        "https://host.example.org:99999/ada/trees",
        "git@other.example.org:ada/trees\ud800",
        "",
    ],
)
def test_other_addresses_are_other_repositories(address: str) -> None:
    assert repository_identity(address) != _TREES


def test_local_paths_are_told_apart_exactly() -> None:
    paths = ["/srv/ada/trees", "/srv/ada/trees/", "/srv/ada/trees.git", "/Srv/ada/trees", "/srv/b/ada/trees"]

    assert len({repository_identity(path) for path in paths}) == len(paths)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"name": "left-pad"}', '{"documents": [1]}', '{"documents": {}}',
             '{"documents": [], "repository": "x"}', '{"documents": [], "checkout": 1}', "\ud800"],
)  # fmt: skip
def test_other_programs_package_json_is_not_a_package(text: str) -> None:
    assert read_holder(text) is None


@pytest.mark.parametrize("process", [None, "a.ipynb", [], {}, {"path": 1}])
def test_a_package_without_a_readable_process_is_one_all_the_same(process: object) -> None:
    holder = read_holder(json.dumps({"documents": ["process.cwl"], "process": process}))

    assert holder is not None
    assert holder.process == ""


def test_a_message_shows_no_password_and_no_control_character() -> None:
    own = Holder(address="https://host.example.org/a/b", checkout="main", place="a/b/main")
    hostile = Holder(address="https://ada:geheim@x.example.org/\x1b[2J", checkout="\nmain", place="a/b/main")

    said = str(place_taken_error("packages/a/b/main", hostile, own, otherwise="choose another --output"))

    assert "https://x.example.org/" in said
    assert "geheim" not in said
    assert said.isprintable()


@pytest.fixture
def built(repository: Path, tmp_path: Path, packmill: Callable[..., Finished]) -> Callable[..., Finished]:
    """Builds ``ada/trees`` of another folder of this machine, into ``out``."""

    def build(
        owner: str, *options: str | Path, sources: tuple[str, ...] = ("process.ipynb",), text: str = ""
    ) -> Finished:
        folder = tmp_path / owner / "ada" / "trees"
        for name in sources:
            write_notebook(folder / name, text or f"n = '{owner}'")
        commit_all(folder)
        named = [word for name in sources for word in ("--process", name)]
        return packmill("build", folder, "--no-image", "--output", tmp_path / "out", *named, *options)

    return build


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("first", [("process.ipynb",), ("a.ipynb", "b.ipynb")])
@pytest.mark.parametrize("second", [("process.ipynb",), ("a.ipynb", "c.ipynb")])
def test_a_build_does_not_replace_another_repository_s_package(
    first: tuple[str, ...], second: tuple[str, ...], built: Callable[..., Finished], tmp_path: Path
) -> None:
    assert built("one", sources=first).code == 0
    before = _contents(tmp_path / "out")

    refused = built("two", sources=second)

    assert refused.code == 18, refused.err
    assert refused.out == ""
    for words in (str(tmp_path / "one/ada/trees"), str(tmp_path / "two/ada/trees"), "--output", "--replace"):
        assert words in refused.err
    assert _contents(tmp_path / "out") == before
    assert built("two", "--replace", sources=second).code == 0
    assert built("two", sources=second).code == 0
    assert built("one", sources=first).code == 18


@pytest.mark.parametrize(("value", "allowed"), [("", False), ("no", False), ("yes", True)])
def test_the_variable_replace_allows_it(value: str, allowed: bool, tmp_path: Path) -> None:
    request = from_variables({"repository": str(tmp_path), "replace": value})

    assert request is not None
    assert request.replace is allowed


def test_an_address_by_another_scheme_is_the_same_place(tmp_path: Path) -> None:
    def write(address: str) -> bool:
        source = {"address": address, "owner": "ada", "name": "trees"}
        about = {"repository": source, "checkout": "main", "documents": ["process.cwl", "package.json"]}
        files: dict[str, str | bytes] = {"process.cwl": "1", "package.json": json.dumps(about)}
        return replace_folder(tmp_path / "ada/trees/main", files, check=lambda _: None)

    assert write("https://host.example.org/ada/trees.git")
    assert write("git@host.example.org:ada/trees")
    with pytest.raises(PlaceTakenError) as refused:
        write("https://other.example.org/ada/trees.git")

    assert "git@host.example.org:ada/trees" in str(refused.value)
    assert "https://other.example.org/ada/trees.git" in str(refused.value)


def test_a_package_that_came_first_while_building_is_kept(tmp_path: Path) -> None:
    """`replace_folder` asks again, with the folder locked."""

    def about(host: str) -> dict[str, str | bytes]:
        source = {"address": f"https://{host}/ada/trees", "owner": "ada", "name": "trees"}
        return {"package.json": json.dumps({"repository": source, "checkout": "main", "documents": ["package.json"]})}

    folder = tmp_path / "ada/trees/main"
    replace_folder(folder, about("a.example.org"), check=lambda _: None)
    with pytest.raises(PlaceTakenError):
        replace_folder(folder, about("b.example.org"), check=lambda _: None)

    assert "a.example.org" in (folder / "package.json").read_text()
    assert [path.name for path in folder.parent.iterdir()] == ["main"]


@pytest.mark.parametrize("name", ["package.json", "README.md"])
def test_a_folder_of_someone_else_is_refused_before_anything_is_built(
    name: str, built: Callable[..., Finished], tmp_path: Path
) -> None:
    place = tmp_path / "out/ada/trees/main"
    place.mkdir(parents=True)
    (place / name).write_text("{")

    refused = built("one")

    assert refused.code == 2
    assert "not a package of packmill" in refused.err
    assert _contents(place) == {name: b"{"}
    assert "Writing the package" not in refused.err


def test_a_user_s_file_is_not_replaced_by_a_new_document(built: Callable[..., Finished], tmp_path: Path) -> None:
    assert built("one").code == 0
    place = tmp_path / "out/ada/trees/main"
    (place / "stage_out.cwl").write_text("mine")

    refused = built("one", text="out = 'x.txt'  # type: stage-out")

    assert refused.code == 18
    assert "stage_out.cwl" in refused.err
    assert (place / "stage_out.cwl").read_text() == "mine"


@pytest.mark.parametrize("order", [("main", "main/x"), ("main/x", "main")])
def test_a_checkout_below_another_keeps_its_own_package(
    order: tuple[str, ...], repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository)
    git(repository, "tag", "main/x")
    for checkout in order:
        done = packmill("build", repository, "--no-image", "--output", tmp_path / "out", "--checkout", checkout)
        assert done.code == 0, done.err

    places = {path.parent.relative_to(tmp_path / "out/ada/trees") for path in (tmp_path / "out").rglob("process.cwl")}
    assert places == {Path("main"), Path("main/x")}


def test_a_process_is_not_put_where_another_checkout_is(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    for name in ("process.ipynb", "x.ipynb"):
        write_notebook(repository / name, "n = 1")
    commit_all(repository)
    git(repository, "tag", "main/x")
    command = ("build", repository, "--no-image", "--output", tmp_path / "out")
    assert packmill(*command, "--checkout", "main/x").code == 0

    refused = packmill(*command, "--process", "x.ipynb")

    assert refused.code == 18
    assert "at main/x" in refused.err


def test_one_address_cannot_take_another_s_place_by_its_checkout(
    tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    """``a/b`` at ``c/d`` and ``a/b/c`` at ``d`` have one place."""
    folder = tmp_path / "out/ada/trees/main"
    about = {
        "repository": {"address": "https://host.example.org/ada", "owner": "local", "name": "ada"},
        "checkout": "trees/main",
        "documents": ["package.json"],
    }
    replace_folder(folder, {"package.json": json.dumps(about)}, check=lambda _: None)
    write_notebook(tmp_path / "ada/trees/process.ipynb", "n = 1")
    commit_all(tmp_path / "ada/trees")

    assert packmill("build", tmp_path / "ada/trees", "--no-image", "--output", tmp_path / "out").code == 18


def test_an_image_is_not_built_for_a_place_that_is_taken(
    built: Callable[..., Finished], tmp_path: Path, packmill: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert built("one").code == 0
    write_notebook(tmp_path / "two/ada/trees/process.ipynb", "n = 2")
    commit_all(tmp_path / "two/ada/trees")
    monkeypatch.setattr("generator.build.pipeline.check_engine", lambda: None)
    monkeypatch.setattr("generator.build.images.ensure_image", lambda *_: pytest.fail("an image is built"))

    refused = packmill("build", tmp_path / "two/ada/trees", "--output", tmp_path / "out")

    assert refused.code == 18
