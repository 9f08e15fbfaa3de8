"""Packages in a git repository: one commit each, nothing of others lost, however many push at once."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest
from git_servers import https_server, ssh_server
from support import Finished, commit_all, git, here, write_notebook

from generator.repository import deposited
from generator.repository.deposit import Deposited, deposit
from generator.repository.destination import parse_destination
from generator.repository.fetch_limits import FetchLimits
from generator.shared.errors import PackmillError, PublishError, UsageError


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """An empty repository that takes deposits."""
    folder = tmp_path / "team" / "deposit.git"
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main")
    return folder


@pytest.fixture
def package(tmp_path: Path) -> Callable[..., Path]:
    """Makes packages out of names and texts."""

    def make(
        name: str, checkout: str = "main", address: str = "https://a.example.org/ada/trees.git", **files: str
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        named = {file.replace("_", "."): text for file, text in files.items()}
        source = {"address": address, "owner": "ada", "name": "trees"}
        about = {"repository": source, "checkout": checkout, "documents": [*named, "package.json"]}
        for file, text in {**named, "package.json": json.dumps(about)}.items():
            (folder / file).write_text(text)
        return folder

    return make


def _deposit(
    folder: Path, to: str | Path, *, path: str = "ada/trees/main", branch: str = "main", replace: bool = False
) -> Deposited:
    destination = parse_destination(str(to), branch=branch, trusted=True)
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    return deposit(folder, files, destination, path=path, message=f"{path}: a package", token="", replace=replace)


def _large_destination(bare: Path) -> None:
    """Give a destination two megabytes that do not compress, as a server may send whatever it is asked for."""
    git(bare, "config", "uploadpack.allowFilter", "false")
    clone = bare.parent / "clone"
    clone.mkdir()
    (clone / "data.bin").write_bytes(random.Random(1).randbytes(2 << 20))
    commit_all(clone)
    git(clone, "push", "--quiet", str(bare), "HEAD:main")


def _tree(bare: Path, branch: str = "main") -> list[str]:
    return git(bare, "ls-tree", "-r", "--name-only", branch).splitlines()


def test_a_package_is_one_commit_at_its_place(bare: Path, package: Callable[..., Path]) -> None:
    done = _deposit(package("a", process_cwl="1"), bare)

    assert done.changed
    assert git(bare, "rev-parse", "main") == done.commit
    assert _tree(bare) == ["ada/trees/main/package.json", "ada/trees/main/process.cwl"]
    assert git(bare, "show", "main:ada/trees/main/process.cwl") == "1"


@pytest.mark.parametrize("attributes", ["* text=auto", "* crlf=input ident", "*.csv working-tree-encoding=UTF-16LE"])
def test_files_arrive_as_they_are_although_the_destination_has_attributes_for_others(
    attributes: str, bare: Path, package: Callable[..., Path]
) -> None:
    """The crate of a package has their sizes and checksums."""
    clone = bare.parent / "clone"
    clone.mkdir()
    (clone / ".gitattributes").write_text(f"{attributes}\n")
    commit_all(clone)
    git(clone, "push", "--quiet", str(bare), "HEAD:main")
    folder, content = package("a"), b"place,value\r\n$Id: 1 $,2\r\n"
    (folder / "table.csv").write_bytes(content)

    _deposit(folder, bare)

    blob = ["git", "-C", str(bare), "cat-file", "blob", "main:ada/trees/main/table.csv"]
    assert subprocess.run(blob, capture_output=True, check=True).stdout == content


def test_a_place_that_looks_like_a_pattern_is_taken_as_it_is(bare: Path, package: Callable[..., Path]) -> None:
    _deposit(package("a", process_cwl="1"), bare, path=":/trees/main")

    with pytest.raises(PublishError, match="this place holds the package of"):
        _deposit(package("b", address="https://b.example.org/:/trees", process_cwl="2"), bare, path=":/trees/main")


def test_the_same_package_again_changes_nothing(bare: Path, package: Callable[..., Path]) -> None:
    first = _deposit(package("a", process_cwl="1"), bare)
    again = _deposit(package("a", process_cwl="1"), bare)

    assert (again.changed, again.commit) == (False, first.commit)
    assert git(bare, "rev-list", "--count", "main") == "1"


def test_what_an_earlier_package_had_goes_and_what_others_put_there_stays(
    bare: Path, package: Callable[..., Path], tmp_path: Path
) -> None:
    _deposit(package("a", process_cwl="1", old_cwl="1"), bare)
    git(tmp_path, "clone", "--quiet", str(bare), "clone")
    (tmp_path / "clone" / "README.md").write_text("of the team")
    (tmp_path / "clone" / "ada/trees/main/notes.txt").write_text("of a person")
    commit_all(tmp_path / "clone", "By hand")
    git(tmp_path / "clone", "push", "--quiet")
    _deposit(package("b", process_cwl="2"), bare)

    assert _tree(bare) == [
        "README.md",
        "ada/trees/main/notes.txt",
        "ada/trees/main/package.json",
        "ada/trees/main/process.cwl",
    ]


def test_a_package_among_example_values_replaces_no_process(
    bare: Path, package: Callable[..., Path], tmp_path: Path
) -> None:
    folder = package("b", process_cwl="1")
    record = {**json.loads((folder / "package.json").read_text()), "process": {"path": "y.ipynb"}}
    (package("a/y", process_cwl="y") / "package.json").write_text(json.dumps(record))
    _deposit(tmp_path / "a", bare)
    (folder / "example/0_data").mkdir(parents=True)
    (folder / "example/0_data/package.json").write_text(json.dumps(record))
    _deposit(folder, bare)

    assert "ada/trees/main/y/process.cwl" in _tree(bare)


def test_a_checkout_below_another_s_name_is_left_alone(bare: Path, package: Callable[..., Path]) -> None:
    _deposit(package("a", "feature/x", process_cwl="1"), bare, path="ada/trees/feature/x")
    _deposit(package("b", "feature", process_cwl="2"), bare, path="ada/trees/feature")

    assert "ada/trees/feature/x/process.cwl" in _tree(bare)
    assert "ada/trees/feature/process.cwl" in _tree(bare)


def test_branches_are_told_apart_and_made_when_they_are_missing(bare: Path, package: Callable[..., Path]) -> None:
    _deposit(package("a", process_cwl="1"), bare)
    _deposit(package("b", process_cwl="2"), bare, branch="drafts/ada")

    assert git(bare, "show", "drafts/ada:ada/trees/main/process.cwl") == "2"
    assert git(bare, "show", "main:ada/trees/main/process.cwl") == "1"


def _clone(bare: Path, folder: Path) -> Path:
    git(bare, "clone", "--quiet", str(bare), str(folder))
    return folder


_A, _B = "https://a.example.org/ada/trees.git", "https://b.example.org/ada/trees.git"


@pytest.mark.parametrize("first", ["", "x/"])
@pytest.mark.parametrize("second", ["", "x/", "y/"])
def test_another_repository_s_package_is_not_replaced(
    first: str, second: str, bare: Path, package: Callable[..., Path], tmp_path: Path
) -> None:
    package(f"a/{first}", process_cwl="1")
    package(f"b/{second}", address=_B, process_cwl="2")
    _deposit(tmp_path / "a", bare)
    before = git(bare, "rev-parse", "main")

    with pytest.raises(PublishError) as refused:
        _deposit(tmp_path / "b", bare)

    assert refused.value.exit_code == 18
    for words in (_A, _B, "another destination", "--replace"):
        assert words in str(refused.value)
    assert git(bare, "rev-parse", "main") == before
    _deposit(tmp_path / "b", bare, replace=True)
    assert _tree(bare) == [f"ada/trees/main/{second}{name}" for name in ("package.json", "process.cwl")]
    assert git(bare, "show", f"main:ada/trees/main/{second}process.cwl") == "2"


@pytest.mark.parametrize("address", ["git@a.example.org:ada/trees", "ssh://git@A.example.org:22/ada/trees.git"])
def test_the_same_repository_by_another_scheme_replaces_its_own(
    address: str, bare: Path, package: Callable[..., Path]
) -> None:
    _deposit(package("a", process_cwl="1"), bare)
    _deposit(package("b", address=address, process_cwl="2"), bare)

    assert git(bare, "show", "main:ada/trees/main/process.cwl") == "2"


@pytest.mark.parametrize("name", ["process.cwl", "package.json"])
def test_files_that_packmill_did_not_write_are_not_replaced(
    name: str, bare: Path, package: Callable[..., Path], tmp_path: Path
) -> None:
    place = _clone(bare, tmp_path / "clone") / "ada/trees/main"
    place.mkdir(parents=True)
    (place / name).write_text("of a person")
    commit_all(tmp_path / "clone", "By hand")
    git(tmp_path / "clone", "push", "--quiet", "origin", "HEAD:main")

    with pytest.raises(PublishError, match=f"ada/trees/main/{name}"):
        _deposit(package("a", process_cwl="1"), bare)

    assert git(bare, "show", f"main:ada/trees/main/{name}") == "of a person"
    _deposit(package("a", process_cwl="1"), bare, replace=True)
    assert git(bare, "show", "main:ada/trees/main/process.cwl") == "1"


def test_a_file_in_place_of_the_folder_is_not_replaced(
    bare: Path, package: Callable[..., Path], tmp_path: Path
) -> None:
    clone = _clone(bare, tmp_path / "clone")
    (clone / "ada").write_text("of a person")
    commit_all(clone, "By hand")
    git(clone, "push", "--quiet", "origin", "HEAD:main")

    with pytest.raises(PublishError):
        _deposit(package("a", process_cwl="1"), bare)

    assert _tree(bare) == ["ada"]


def test_a_package_that_another_push_put_there_meanwhile_is_not_replaced(
    bare: Path, package: Callable[..., Path], tmp_path: Path
) -> None:
    """The destination's hook lets the other package in, once, before the first push gets through."""
    first, second = package("a", process_cwl="1"), package("b", address=_B, process_cwl="2")
    other = _clone(bare, tmp_path / "clone")
    shutil.copytree(first, other / "ada/trees/main")
    commit_all(other, "The other came first")
    git(other, "push", "--quiet", "origin", "HEAD:refs/heads/other")
    hook = bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\nunset GIT_QUARANTINE_PATH\n"
        "git rev-parse --quiet --verify main || git update-ref refs/heads/main refs/heads/other\n"
    )
    hook.chmod(0o755)

    with pytest.raises(PublishError, match="another destination"):
        _deposit(second, bare)

    assert git(bare, "show", "main:ada/trees/main/process.cwl") == "1"


def test_a_package_of_a_repository_below_another_is_left_alone(
    bare: Path, package: Callable[..., Path], tmp_path: Path
) -> None:
    """The place of ``ada/trees/main`` at ``x`` is a folder of the place of ``ada/trees`` at ``main``."""
    nested = package("nested", "x", "https://b.example.org/ada/trees/main", process_cwl="1")
    about = json.loads((nested / "package.json").read_text())
    about["repository"] |= {"owner": "ada/trees", "name": "main"}
    (nested / "package.json").write_text(json.dumps(about))
    _deposit(nested, bare, path="ada/trees/main/x")
    for text in ("2", "3"):
        _deposit(package("b", process_cwl=text), bare)

    assert git(bare, "show", "main:ada/trees/main/x/process.cwl") == "1"
    assert git(bare, "show", "main:ada/trees/main/process.cwl") == "3"


def test_a_destination_that_is_taken_is_refused_before_an_image_is_built(
    bare: Path,
    package: Callable[..., Path],
    repository: Path,
    tmp_path: Path,
    packmill: Callable[..., Finished],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _deposit(package("a", process_cwl="1"), bare)
    write_notebook(repository / "process.ipynb", "n = 1  # type: int")
    commit_all(repository)
    monkeypatch.setattr("generator.build.pipeline.check_engine", lambda: None)
    monkeypatch.setattr("generator.build.images.ensure_image", lambda *_: pytest.fail("an image is built"))

    refused = packmill("build", repository, "--output", tmp_path / "out", "--publish", bare)

    assert refused.code == 18
    for words in (_A, str(repository)):
        assert words in refused.err
    assert not (tmp_path / "out").exists()
    command = ("build", repository, "--no-image", "--output", tmp_path / "out", "--publish", bare, "--replace")
    assert packmill(*command).code == 0
    assert str(repository) in git(bare, "show", "main:ada/trees/main/package.json")


@pytest.mark.parametrize("over_ssh", [False, True])
def test_many_that_push_at_once_all_end_up_there(
    bare: Path, package: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, over_ssh: bool
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    with ssh_server(keys) if over_ssh else nullcontext(("", "")) as (address, command):
        if over_ssh:
            monkeypatch.setenv("GIT_SSH_COMMAND", command)
        _push_at_once(package, f"{address}{bare}")

    assert git(bare, "rev-list", "--count", "main") == "8"
    for number in range(8):
        assert git(bare, "show", f"main:ada/p{number}/main/process.cwl") == str(number)


def _push_at_once(package: Callable[..., Path], destination: str) -> None:
    """Eight processes that deposit a package each."""
    folders = [package(f"p{number}", process_cwl=str(number)) for number in range(8)]
    script = (
        "import sys; from pathlib import Path; from generator.repository.destination import parse_destination as d; "
        "from generator.repository.deposit import deposit; p = Path(sys.argv[1]); "
        "files = sorted(f.name for f in p.iterdir()); "
        "deposit(p, files, d(sys.argv[2]), path=f'ada/{p.name}/main', message=p.name, token='')"
    )

    def push(folder: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, str(folder), destination]
        return subprocess.run(command, cwd=here.parent, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(8) as many:
        done = list(many.map(push, folders))

    assert [one.returncode for one in done] == [0] * 8, [one.stderr for one in done if one.returncode]


def test_deposits_go_over_ssh(
    bare: Path, package: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    with ssh_server(keys) as (address, command):
        monkeypatch.setenv("GIT_SSH_COMMAND", command)
        done = _deposit(package("a", process_cwl="1"), f"{address}{bare}")

    assert git(bare, "rev-parse", "main") == done.commit


def test_deposits_go_over_https_with_a_token(
    bare: Path, package: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(bare, "config", "http.receivepack", "true")
    keys = tmp_path / "keys"
    keys.mkdir()
    folder = package("a", process_cwl="1")
    with https_server(tmp_path, keys, token="open sesame") as address:
        monkeypatch.setenv("GIT_SSL_CAINFO", str(keys / "certificate.pem"))
        destination = parse_destination(f"{address}/team/deposit.git")
        files = ["package.json", "process.cwl"]
        done = deposit(folder, files, destination, path="a/b/c", message="m", token="open sesame")
        with pytest.raises(PublishError, match="PACKMILL_PUBLISH_TOKEN") as refused:
            deposit(folder, files, destination, path="a/b/d", message="m", token="wrong word")

    assert git(bare, "rev-parse", "main") == done.commit
    assert "wrong word" not in str(refused.value)


def test_a_destination_that_refuses_is_a_failure_with_its_words(bare: Path, package: Callable[..., Path]) -> None:
    hook = bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'this branch is protected' >&2; exit 1\n")
    hook.chmod(0o755)

    with pytest.raises(PublishError, match="this branch is protected"):
        _deposit(package("a", process_cwl="1"), bare)


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        ("https://github.com/you/deposit.git", "https://raw.githubusercontent.com/you/deposit/main/a/b/process.cwl"),
        ("git@github.com:you/deposit.git", "https://raw.githubusercontent.com/you/deposit/main/a/b/process.cwl"),
        ("https://git.example.org/team/sub/deposit", "https://git.example.org/team/sub/deposit/-/raw/main/a/b/process.cwl"),
        ("ssh://git@git.example.org:2222/team/deposit.git", "https://git.example.org/team/deposit/-/raw/main/a/b/process.cwl"),
        ("https://codeberg.org/you/deposit.git", "https://codeberg.org/you/deposit/raw/branch/main/a/b/process.cwl"),
    ],
)  # fmt: skip
def test_a_deposited_file_has_the_address_that_its_host_gives_it(destination: str, expected: str) -> None:
    assert parse_destination(destination).address("a/b/process.cwl") == expected


def test_the_address_can_be_said_by_a_template() -> None:
    destination = parse_destination("https://x.org/a/b.git", branch="v1", template="https://raw.x.org/{branch}/{path}")

    assert destination.address("c d.cwl") == "https://raw.x.org/v1/c%20d.cwl"


@pytest.mark.parametrize(
    "template",
    [
        "https://x/{nothing}",
        "https://x/",
        "https://x/{path",
        "https://x/{path.a}",
        "https://x/{path}{branch:>9}",
        "https://x/{path!r}",
        "https://x/{path}/{branch.__class__}",
        "https://x/{path}{0}{}",
        "https://x/{{path}}",
    ],
)
def test_a_template_that_cannot_be_one_is_refused(template: str) -> None:
    with pytest.raises(UsageError, match="address of deposited files"):
        parse_destination("https://x.org/a/b.git", template=template)


@pytest.mark.parametrize("text", ["http://x.org/a/b.git", "--upload-pack=x", "ext::sh -c x", "", "/nowhere/at/all"])
def test_a_destination_is_as_safe_as_a_repository(text: str) -> None:
    with pytest.raises(PackmillError):
        parse_destination(text)


def test_build_deposits_and_the_descriptor_names_the_place(
    bare: Path, repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1  # type: int")
    commit_all(repository)
    options = ("--no-image", "--output", tmp_path / "packages", "--publish", bare, "--json")
    template = "https://raw.example.org/{branch}/{path}"
    built = packmill("build", repository, *options, "--publish-address", template)

    assert built.code == 0, built.err
    assert built.json()["address"] == "https://raw.example.org/main/ada/trees/main"
    descriptor = json.loads(git(bare, "show", "main:ada/trees/main/applicationDescriptor.json"))
    offering = descriptor["processDescription"]["process"]["owsContext"]["offering"]
    assert offering["content"]["href"] == "https://raw.example.org/main/ada/trees/main/application.cwl"
    again = packmill("build", repository, *options, "--publish-address", template)
    assert again.json()["changed"] is False
    assert ": unchanged" in again.err
    assert git(bare, "rev-list", "--count", "main") == "1"


def test_a_branch_without_a_destination_is_refused(repository: Path, packmill: Callable[..., Finished]) -> None:
    finished = packmill("build", repository, "--publish-branch", "main")

    assert finished.code == 2
    assert "--publish" in finished.err


def test_folders_of_this_machine_are_refused_where_they_are_not_wanted(
    bare: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, packmill: Callable[..., Finished]
) -> None:
    monkeypatch.setenv("PACKMILL_LOCAL_REPOSITORIES", "no")

    assert packmill("build", repository, "--no-image").code == 10
    assert packmill("build", "https://example.org/a/b.git", "--no-image", "--publish", bare).code == 10


def test_a_destination_that_sends_too_much_ends_the_deposit(bare: Path, package: Callable[..., Path]) -> None:
    _large_destination(bare)
    destination, limits = parse_destination(str(bare), branch="main", trusted=True), FetchLimits(size=1)
    folder = package("one")

    with pytest.raises(PublishError, match="takes more than 1 MiB"):
        deposit(folder, ["package.json"], destination, path="ada/trees/main", message="a", token="", limits=limits)

    assert _tree(bare) == ["data.bin"]


def test_a_huge_record_at_the_destination_is_not_read(
    bare: Path, package: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _deposit(package("one"), bare)
    monkeypatch.setattr(deposited, "_LARGEST_RECORD", 10)

    with pytest.raises(PackmillError, match=r"package\.json"):
        _deposit(package("one", b_txt="b"), bare)
