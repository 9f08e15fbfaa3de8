"""Repositories: which commit of which repository a request means, on real git."""

from __future__ import annotations

import gc
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from another_user import as_another_user
from git_servers import https_server, ssh_server
from support import Finished, commit_all, git, write_notebook

from generator.image.names import reference
from generator.repository.address import Repository, check_checkout, parse_repository
from generator.repository.fetch import Checkout, fetch
from generator.repository.git_messages import is_disk_full
from generator.repository.parts import find_part
from generator.repository.source import Source
from generator.shared.errors import PackmillError, RepositoryError, UsageError

_TOKEN = "s3cr3t-t0ken"


def checkout_of(address: object, checkout: str | None, folder: Path, token: str = "") -> Checkout:
    return fetch(parse_repository(str(address)), checkout, folder / "checkout", token=token)


@pytest.mark.parametrize(
    ("text", "owner", "name", "address"),
    [
        ("https://github.com/ada/trees.git", "ada", "trees", "https://github.com/ada/trees.git"),
        ("https://github.com/ada/trees", "ada", "trees", "https://github.com/ada/trees"),
        ("https://github.com/ada/trees/", "ada", "trees", "https://github.com/ada/trees/"),
        ("https://gitlab.com/group/sub/trees.git", "group/sub", "trees", "https://gitlab.com/group/sub/trees.git"),
        ("https://ada:pass@example.org:8443/ada/trees", "ada", "trees", "https://example.org:8443/ada/trees"),
        ("ssh://git@example.org:2222/ada/trees.git", "ada", "trees", "ssh://git@example.org:2222/ada/trees.git"),
        ("git@github.com:ada/trees.git", "ada", "trees", "git@github.com:ada/trees.git"),
        ("example.org:group/sub/trees", "group/sub", "trees", "example.org:group/sub/trees"),
        ("https://example.org/trees.git", "local", "trees", "https://example.org/trees.git"),
    ],
)
def test_owner_and_name_stand_in_the_url(text: str, owner: str, name: str, address: str) -> None:
    repository = parse_repository(text)

    assert (repository.owner, repository.name, repository.address) == (owner, name, address)


@pytest.mark.parametrize("text", ["https://h.org/.git/hooks", "https://h.org/ada/%2eGIT/x", "git@h.org:.git/x"])
def test_no_owner_or_name_is_a_folder_of_git_s_own(text: str) -> None:
    with pytest.raises(RepositoryError, match=r"\.git"):
        parse_repository(text)


@pytest.mark.parametrize("text", ["https://h.org/a%0Ab/x", "https://h.org/ada/x%00"])
def test_an_owner_or_name_stays_on_its_line(text: str) -> None:
    with pytest.raises(RepositoryError, match="cannot be printed"):
        parse_repository(text)


@pytest.mark.parametrize("checkout", ["x/.git/y", ".hidden", "x/.y"])
def test_no_part_of_a_checkout_begins_with_a_dot(checkout: str) -> None:
    with pytest.raises(UsageError, match="not a valid checkout"):
        check_checkout(checkout)


def test_a_password_in_the_url_is_in_no_text_of_the_repository() -> None:
    repository = parse_repository("https://ada:geheim@example.org/ada/trees")

    assert repository.password == "geheim"
    assert "geheim" not in repr(repository) + repository.address


@pytest.mark.parametrize(
    ("owner", "name", "checkout", "expected"),
    [
        ("ada", "trees", "main", "ada.trees:main-0123456789ab"),
        ("Ada", "Trees", "Feature/X", "ada.trees:Feature-X-0123456789ab"),
        ("group/sub", "my trees", "v1.0", "group.sub.my-trees:v1.0-0123456789ab"),
        ("ada_", "__x..y", "a" * 200, f"ada.x.y:{'a' * 90}-0123456789ab"),
        ("ada", "trees", "0123456", "ada.trees:0123456789ab"),
        ("größe", "大", "-x.", "gr-e:x-0123456789ab"),
        ("ada", "a_-_-_b.-c", "main", "ada.a__b.c:main-0123456789ab"),
    ],
)
def test_an_image_is_named_in_legal_characters(owner: str, name: str, checkout: str, expected: str) -> None:
    import re
    from datetime import datetime, timezone

    commit = "0123456789abcdef0123456789abcdef01234567"
    time = datetime(2026, 1, 1, tzinfo=timezone.utc)
    source = Source(address="", owner=owner, name=name, checkout=checkout, commit=commit, message="", time=time)

    shown, _, digest = reference(source).rpartition("-")
    assert shown == expected
    assert re.fullmatch("[0-9a-f]{16}", digest)
    path, tag = reference(source).split(":")
    assert re.fullmatch(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", path)
    assert re.fullmatch(r"[\w][\w.-]{0,127}", tag)


@pytest.fixture
def grown(repository: Path) -> dict[str, str]:
    """A repository with branches, tags and some history; commits by what they are."""
    commits = {}
    for number in range(4):
        (repository / "file").write_text(str(number))
        commits[str(number)] = commit_all(repository, f"Number {number}")
    git(repository, "branch", "feature/with/slashes", commits["1"])
    git(repository, "tag", "--annotate", "--message", "x", "v1.0", commits["2"])
    git(repository, "tag", "light", commits["0"])
    return commits


@pytest.mark.parametrize(
    ("asked", "number", "name"),
    [
        (None, "3", "main"),
        ("main", "3", "main"),
        ("feature/with/slashes", "1", "feature/with/slashes"),
        ("refs/heads/feature/with/slashes", "1", "feature/with/slashes"),
        ("HEAD", "3", "main"),
        ("heads/feature/with/slashes", "1", "feature/with/slashes"),
        ("origin/feature/with/slashes", "1", "feature/with/slashes"),
        ("refs/remotes/origin/main", "3", "main"),
        ("tags/v1.0", "2", "v1.0"),
        ("v1.0", "2", "v1.0"),
        ("light", "0", "light"),
        ("full", "1", None),
        ("short", "2", None),
    ],
)
@pytest.mark.parametrize("form", ["path", "file url"])
def test_a_checkout_is(
    asked: str | None, number: str, name: str | None, form: str, repository: Path, grown: dict[str, str], tmp_path: Path
) -> None:
    wanted = {"full": grown[number], "short": grown[number][:8]}.get(asked or "", asked)

    checkout = checkout_of(repository if form == "path" else repository.as_uri(), wanted, tmp_path)

    assert checkout.commit == grown[number]
    assert checkout.name == (name or wanted)
    assert (checkout.folder / "file").read_text() == number
    assert checkout.source.title == f"Number {number}"
    assert checkout.time.isoformat() == "2026-02-03T04:05:06+00:00"


def test_a_branch_comes_with_one_commit_of_history(repository: Path, grown: dict[str, str], tmp_path: Path) -> None:
    checkout = checkout_of(repository.as_uri(), "main", tmp_path)

    assert git(checkout.folder, "rev-list", "--count", "HEAD") == "1"


def test_a_detached_head_is_the_default(repository: Path, grown: dict[str, str], tmp_path: Path) -> None:
    git(repository, "checkout", "--quiet", "--detach", grown["2"])

    checkout = checkout_of(repository, None, tmp_path)

    assert (checkout.commit, checkout.name) == (grown["2"], grown["2"])


def test_an_ambiguous_or_unknown_short_commit_is_refused(
    repository: Path, grown: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(RepositoryError, match="commit 'ffff0000' not found or ambiguous"):
        checkout_of(repository, "ffff0000", tmp_path)


def test_a_repository_without_a_commit_is_refused(repository: Path, tmp_path: Path) -> None:
    git(repository, "init", "--quiet")

    with pytest.raises(RepositoryError, match="has no commit"):
        checkout_of(repository, None, tmp_path)


@pytest.mark.parametrize("kind", ["blob", "tree"])
def test_a_tag_without_a_commit_is_named(kind: str, repository: Path, grown: dict[str, str], tmp_path: Path) -> None:
    git(repository, "tag", "other", {"blob": "HEAD:file", "tree": "HEAD^{tree}"}[kind])

    with pytest.raises(RepositoryError, match="the checkout is not a commit") as refused:
        checkout_of(repository, "other", tmp_path)

    assert "disk" not in str(refused.value)


def test_a_name_that_is_too_long_is_no_full_disk(repository: Path, tmp_path: Path) -> None:
    commit_all(repository)
    entry = f"100644,{git(repository, 'hash-object', '-w', '/dev/null')},{'n' * 300}"
    git(repository, "update-index", "--add", "--cacheinfo", entry)
    commit = git(repository, "commit-tree", "-m", "long", git(repository, "write-tree"))
    git(repository, "update-ref", "refs/heads/main", commit)

    with pytest.raises(RepositoryError, match="name too long") as refused:
        checkout_of(repository, "main", tmp_path)

    assert "disk" not in str(refused.value)


def test_a_folder_that_git_could_not_make_is_a_full_disk() -> None:
    missing = "unable to create directory for '.git/logs/refs/remotes/origin/main': No such file or directory"

    assert is_disk_full(f"  error: cannot update the ref 'refs/remotes/origin/main': {missing}")


def test_what_is_not_committed_is_named_and_not_packaged(repository: Path, tmp_path: Path) -> None:
    (repository / "file").write_text("committed")
    commit_all(repository)
    (repository / "file").write_text("changed")
    (repository / "new").write_text("new")

    checkout = checkout_of(repository, None, tmp_path)

    assert checkout.warnings == ("not committed and therefore not packaged: file, new",)
    assert (checkout.folder / "file").read_text() == "committed"


def test_a_folder_in_a_repository_is_packaged_like_a_repository(repository: Path, tmp_path: Path) -> None:
    write_notebook(repository / "examples/city/process.ipynb", "x: int = 1")
    (repository / "requirements.txt").write_text("of the whole repository")
    commit = commit_all(repository)
    (repository / "examples/city/new").write_text("new")
    (repository / "elsewhere").write_text("not of this package")

    checkout = checkout_of(repository / "examples/city", None, tmp_path)

    assert (checkout.source.owner, checkout.source.name, checkout.commit) == ("examples", "city", commit)
    assert checkout.source.address == str(repository / "examples/city")
    assert [path.name for path in checkout.folder.iterdir()] == ["process.ipynb"]
    assert checkout.warnings == ("not committed and therefore not packaged: examples/city/new",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users")
@pytest.mark.parametrize(("owner_of_git", "is_found"), [(0, True), (4242, True), (4343, False)])
def test_a_repository_above_a_folder_is_that_of_its_owner_or_of_root(
    owner_of_git: int, is_found: bool, repository: Path, tmp_path: Path
) -> None:
    write_notebook(repository / "city/process.ipynb", "x: int = 1")
    commit_all(repository)
    os.chown(repository / "city", 4242, 4242)
    os.chown(repository / ".git", owner_of_git, owner_of_git)

    if is_found:
        assert checkout_of(repository / "city", None, tmp_path).source.name == "city"
    else:
        with pytest.raises(RepositoryError, match=r"not a git repository|does not appear to be a git repository"):
            checkout_of(repository / "city", None, tmp_path)


@pytest.mark.parametrize("is_link", [False, True])
def test_a_folder_that_the_commit_lacks_is_named(is_link: bool, repository: Path, tmp_path: Path) -> None:
    (repository / "file").touch()
    if is_link:
        (repository / "new").symlink_to(tmp_path)
    commit_all(repository)
    if is_link:
        (repository / "new").unlink()
    (repository / "new").mkdir()

    with pytest.raises(RepositoryError, match=r"commit \w{12} has no folder 'new'; commit its files"):
        checkout_of(repository / "new", None, tmp_path)


def test_submodules_are_fetched(repository: Path, tmp_path: Path) -> None:
    inner = tmp_path / "ada" / "inner"
    inner.mkdir()
    (inner / "module.py").write_text("x = 1")
    commit_all(inner)
    commit_all(repository)
    git(repository, "submodule", "--quiet", "add", str(inner), "lib/inner")
    commit_all(repository, "With a submodule")

    checkout = checkout_of(repository, None, tmp_path)

    assert (checkout.folder / "lib/inner/module.py").read_text() == "x = 1"


def test_a_fetch_leaves_no_file_open_and_no_git_process(repository: Path, tmp_path: Path) -> None:
    """A program may fetch any number of repositories, with `packmill.build`; GitPython keeps git's for reading."""
    inner = tmp_path / "ada" / "inner"
    inner.mkdir()
    (inner / "module.py").write_text("x = 1")
    commit_all(inner)
    commit_all(repository)
    git(repository, "submodule", "--quiet", "add", str(inner), "lib/inner")
    commit_all(repository, "With a submodule")
    before = os.listdir("/proc/self/fd")
    gc.disable()
    try:
        checkout_of(repository, None, tmp_path)
        assert os.listdir("/proc/self/fd") == before
    finally:
        gc.enable()


def test_a_submodule_that_is_gone_is_named(repository: Path, tmp_path: Path) -> None:
    inner = tmp_path / "ada" / "inner"
    inner.mkdir()
    commit_all(inner)
    git(repository, "init", "--quiet")
    git(repository, "submodule", "--quiet", "add", str(inner), "lib/inner")
    commit_all(repository)
    shutil.rmtree(inner)

    with pytest.raises(RepositoryError, match=r"submodule 'lib/inner'.*folder not found"):
        checkout_of(repository, None, tmp_path)


def test_a_submodule_that_cannot_be_fetched_is_named_with_its_address(repository: Path, tmp_path: Path) -> None:
    commit_all(repository)
    (repository / ".gitmodules").write_text('[submodule "x"]\n\tpath = lib/x\n\turl = https://127.0.0.1:9/a/x.git\n')
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib/x")
    git(repository, "add", ".gitmodules")
    git(repository, "commit", "--quiet", "--message", "With a submodule")

    with pytest.raises(RepositoryError) as refused:
        checkout_of(repository, None, tmp_path)

    assert str(refused.value).splitlines()[0] == (
        f"{repository}: submodule 'lib/x': cannot be fetched from https://127.0.0.1:9/a/x.git; check its address in "
        ".gitmodules and that it can be reached, or leave submodules out with --no-submodules"
    )


def test_a_commit_that_a_submodule_does_not_have_is_named(repository: Path, tmp_path: Path) -> None:
    inner = tmp_path / "ada" / "inner"
    inner.mkdir()
    commit_all(inner)
    commit_all(repository)
    git(repository, "submodule", "--quiet", "add", str(inner), "inner")
    git(repository, "update-index", "--cacheinfo", f"160000,{'1' * 40},inner")
    git(repository, "commit", "--quiet", "--message", "With a submodule")

    with pytest.raises(RepositoryError, match=r"submodule 'inner'.*commit '1{40}' not found") as refused:
        checkout_of(repository, None, tmp_path)
    assert "--no-submodules" in str(refused.value)


def test_without_submodules_their_folders_are_empty_and_a_warning_names_them(repository: Path, tmp_path: Path) -> None:
    commit_all(repository)
    (repository / ".gitmodules").write_text('[submodule "x"]\n\tpath = lib/x\n\turl = https://127.0.0.1:9/a/x.git\n')
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib/x")
    git(repository, "add", ".gitmodules")
    git(repository, "commit", "--quiet", "--message", "With a submodule")

    checkout = fetch(parse_repository(str(repository)), None, tmp_path / "checkout", with_submodules=False)

    assert checkout.warnings == ("submodules are left out, their folders are empty: lib/x",)
    assert list((checkout.folder / "lib/x").iterdir()) == []


def test_a_submodule_elsewhere_on_this_machine_is_not_fetched(repository: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "someone" / "private"
    elsewhere.mkdir(parents=True)
    (elsewhere / "key.txt").write_text("secret")
    commit_all(elsewhere)
    commit_all(repository)
    git(repository, "submodule", "--quiet", "add", str(elsewhere), "stolen")
    commit_all(repository)

    with pytest.raises(RepositoryError, match=r"submodule 'stolen'.*is not next to the repository"):
        checkout_of(repository, None, tmp_path)


def test_a_local_repository_s_own_configuration_runs_nothing(repository: Path, tmp_path: Path) -> None:
    (repository / "file").write_text("x")
    commit_all(repository)
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\ncat\n")
    script.chmod(0o755)
    (repository / ".git/hooks").mkdir(exist_ok=True)
    for hook in ("post-index-change", "post-checkout", "pre-auto-gc"):
        shutil.copy(script, repository / ".git/hooks" / hook)
    (repository / ".git/info").mkdir(exist_ok=True)
    (repository / ".git/info/attributes").write_text("* filter=x\n")
    for name, value in (
        ("core.fsmonitor", str(script)),
        ("filter.x.clean", str(script)),
        ("filter.x.smudge", str(script)),
    ):
        git(repository, "config", name, value)
    (repository / "file").write_text("changed")

    checkout = checkout_of(repository, None, tmp_path)

    assert checkout.warnings == ("not committed and therefore not packaged: file",)
    assert not (tmp_path / "ran").exists()


def test_inside_a_hook_the_user_s_index_is_left_alone(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "file").write_text("x")
    commit_all(repository)
    index = repository / ".git" / "index"
    before = index.read_bytes()
    monkeypatch.setenv("GIT_INDEX_FILE", str(index))
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))

    checkout_of(repository, None, tmp_path)

    assert index.read_bytes() == before


@pytest.mark.parametrize(
    "address", ["http://me:p@ssw0rd@h/x", "https://me:s3cr/et@h:x/y", "ftp://me:s3cret@h/x?private_token=ssw0rd"]
)
def test_a_refused_address_shows_no_password(address: str) -> None:
    with pytest.raises(PackmillError) as refusal:
        parse_repository(address)

    assert not any(part in str(refusal.value) for part in ("ssw0rd", "s3cr", "et@"))


@pytest.mark.parametrize("address", ["~no-such-user/trees", "a" * 300, f"file:///{'a' * 300}", "/a" * 3000])
def test_an_address_that_no_folder_can_have_is_refused(address: str) -> None:
    with pytest.raises(RepositoryError, match=r"folder not found|home folder of this user is not known"):
        parse_repository(address)


def test_an_address_of_a_server_may_be_longer_than_the_name_of_a_file() -> None:
    assert parse_repository(f"git@example.org:ada/{'a' * 300}").host == "example.org"


@pytest.mark.parametrize("address", ["closed/trees", "file://{}/closed/trees"])
def test_a_repository_in_a_folder_that_is_closed_to_the_user_is_refused(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "closed" / "trees").mkdir(parents=True)
    tmp_path.chmod(0o755)
    (tmp_path / "closed").chmod(0)

    with as_another_user(), pytest.raises(RepositoryError, match="cannot be read: Permission denied; check"):
        parse_repository(address.format(tmp_path))


def test_a_repository_that_is_closed_to_the_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "closed").mkdir(mode=0)
    tmp_path.chmod(0o755)
    repository = Repository(address="closed", owner="ada", name="trees", local=Path("closed"))

    with as_another_user(), pytest.raises(RepositoryError, match="closed: cannot be read: Permission denied; check"):
        find_part(repository)


def test_a_repository_in_a_folder_that_was_removed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "removed").mkdir()
    monkeypatch.chdir(tmp_path / "removed")
    (tmp_path / "removed").rmdir()

    with pytest.raises(RepositoryError, match="cannot be read"):
        parse_repository(".")


def test_lfs_pointers_are_named(repository: Path, tmp_path: Path) -> None:
    (repository / ".gitattributes").write_text("*.tif filter=lfs diff=lfs merge=lfs -text\n")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    (repository / "scene.tif").write_text(pointer)
    commit_all(repository)

    warnings = checkout_of(repository, None, tmp_path).warnings

    assert any("Git LFS" in warning and "scene.tif" in warning for warning in warnings)


def test_no_hook_runs(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_all(repository)
    template = tmp_path / "template" / "hooks"
    template.mkdir(parents=True)
    for folder in (repository / ".git" / "hooks", template):
        hook = folder / "post-checkout"
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(template.parent))

    checkout_of(repository, None, tmp_path)

    assert not (tmp_path / "ran").exists()


def test_files_are_for_every_user_whatever_the_umask(repository: Path, tmp_path: Path) -> None:
    (repository / "data").mkdir()
    (repository / "data" / "x.csv").write_text("1")
    (repository / "run.sh").write_text("#!/bin/sh\n")
    (repository / "run.sh").chmod(0o755)
    commit_all(repository)
    before = os.umask(0o077)
    try:
        folder = checkout_of(repository, None, tmp_path).folder
    finally:
        os.umask(before)

    assert (folder / "data").stat().st_mode & 0o777 == 0o755
    assert (folder / "data" / "x.csv").stat().st_mode & 0o777 == 0o644
    assert (folder / "run.sh").stat().st_mode & 0o777 == 0o755


@pytest.fixture
def bare(repository: Path, tmp_path: Path) -> Path:
    """A bare copy ``srv/ada/private.git`` of a repository with one notebook; the folder ``srv``."""
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository)
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(tmp_path / "srv/ada/private.git"))
    return tmp_path / "srv"


@pytest.mark.parametrize("place", ["environment", "url"])
def test_a_token_opens_a_private_repository_and_is_seen_nowhere(
    place: str,
    bare: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    packmill: Callable[..., Finished],
) -> None:
    caplog.set_level(logging.DEBUG, "git.cmd")  # GitPython logs every command line there
    with https_server(bare, tmp_path, token=_TOKEN) as address:
        monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "certificate.pem"))
        url = f"{address}/ada/private.git"
        if place == "environment":
            monkeypatch.setenv("PACKMILL_GIT_TOKEN", _TOKEN)
        else:
            url = url.replace("https://", f"https://oauth2:{_TOKEN}@")
        finished = packmill("build", url, "--no-image", "--output", tmp_path / "out")
        monkeypatch.setenv("PACKMILL_GIT_TOKEN", "wrong-t0ken")
        refused = packmill("build", f"{address}/ada/private.git", "--no-image")

    assert finished.code == 0, finished.err
    package = Path(finished.out.strip())
    assert package == tmp_path / "out" / "ada" / "private" / "main"
    documents = "".join(path.read_text() for path in package.rglob("*.*"))
    assert _TOKEN not in documents + finished.err + caplog.text
    assert "'fetch'" in caplog.text
    assert refused.code == 10
    assert "PACKMILL_GIT_TOKEN" in refused.err
    assert "wrong-t0ken" not in refused.err


def test_a_token_goes_to_no_other_host(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile repository could name a submodule on a host of its own."""
    with https_server(bare, tmp_path, token=_TOKEN) as address:
        monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "certificate.pem"))
        elsewhere = f"{address.replace('localhost', '127.0.0.1')}/ada/private.git"
        outer = tmp_path / "outer"
        outer.mkdir()
        commit_all(outer)
        (outer / ".gitmodules").write_text(f'[submodule "x"]\n\tpath = x\n\turl = {elsewhere}\n')
        inner = git(bare / "ada/private.git", "rev-parse", "HEAD")
        git(outer, "update-index", "--add", "--cacheinfo", f"160000,{inner},x")
        git(outer, "add", ".gitmodules")
        git(outer, "commit", "--quiet", "--message", "x")
        git(tmp_path, "clone", "--quiet", "--bare", str(outer), str(bare / "ada/outer.git"))

        with pytest.raises(RepositoryError, match=r"submodule 'x'.*PACKMILL_SUBMODULES") as refusal:
            checkout_of(f"{address}/ada/outer.git", None, tmp_path, token=_TOKEN)

    assert _TOKEN not in str(refusal.value)


def test_ssh(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    with ssh_server(keys) as (address, command):
        monkeypatch.setenv("GIT_SSH_COMMAND", command)
        checkout = checkout_of(f"{address}{bare}/ada/private.git", "main", tmp_path)

    assert (checkout.repository.owner.split("/")[-1], checkout.repository.name) == ("ada", "private")
    assert (checkout.folder / "process.ipynb").exists()


def test_an_unreachable_server_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackmillError, match="check the address and that it can be reached"):
        checkout_of("https://127.0.0.1:9/ada/trees.git", None, tmp_path)
