"""Repositories of strangers on real git: names, links, submodules, trees, histories. Nothing of them runs or leaves."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from support import Finished, commit_all, git, write_notebook

from generator.build.lookup import look_up
from generator.image.contexts import image_context
from generator.repository.address import parse_repository
from generator.repository.fetch import Checkout, fetch
from generator.request.build import build_request
from generator.shared.errors import PackmillError, RepositoryError

SECRET = "of-the-host-5d1c"
_TIME = datetime(2026, 2, 3, tzinfo=timezone.utc)
NAMES = (
    b"new\nline.txt",
    b"line\rend.txt",
    b'a"b.txt',
    b"it's.txt",
    b"$(touch marker).txt",
    b"`touch marker`.txt",
    b"a;b|c&d.txt",
    b"-rf",
    b"--output=x",
    b"\xff\xfe.bin",
    b"\x1b[2J\x07.txt",
    b" spaces ",
    b"back\\slash",
    b"*",
    b":(glob)**",
    b"..a",
    b"{{ 7 * 7 }}.txt",
    "größe\u202e.txt".encode(),
)


def checkout_of(repository: Path, folder: Path) -> Checkout:
    return fetch(parse_repository(str(repository)), None, folder / "checkout")


def test_files_of_any_name_are_packaged_and_shown_without_commands(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_notebook(repository / "process.ipynb", "n = 1  # type: int")
    for name in NAMES:
        Path(os.fsdecode(os.fsencode(repository) + b"/" + name)).write_bytes(name)
    commit_all(repository)

    built = packmill("build", repository, "--no-image", "--output", tmp_path / "out")
    folder = checkout_of(repository, tmp_path).folder
    place = {"folder": "/home/jovyan", "hidden": []}
    own: dict[str, Any] = {"repository": folder, "place": place, "inside": False, "time": _TIME}
    with image_context("FROM x\n", **own) as context, tarfile.open(context / "repository.tar") as archive:
        packed = {os.fsencode(name).removeprefix(b"home/jovyan/") for name in archive.getnames()}

    assert built.code == 0, built.err
    assert not {"\x1b", "\x07", "\r"} & set(built.err + built.out)
    assert {name: Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).read_bytes() for name in NAMES} == {
        name: name for name in NAMES
    }
    assert set(NAMES) <= packed
    assert not list(tmp_path.rglob("marker"))


@pytest.mark.parametrize("name", ["-x.ipynb", "a\"b'c/..$(touch marker).ipynb", "{{ 7 }} ${x} ä.ipynb"])
def test_a_notebook_of_any_name_is_the_process(
    name: str, repository: Path, tmp_path: Path, packmill: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_notebook(repository / name, "n = 1  # type: int")
    commit_all(repository)

    built = packmill("build", repository, "--no-image", "--output", tmp_path / "out", f"--process={name}", "--json")

    assert built.code == 0, built.err
    package = Path(built.json()["package"])
    words = YAML(typ="safe").load(package / "process.cwl")["arguments"]
    given = [one if isinstance(one, str) else one["valueFrom"] for one in words]
    assert any(name in one.replace("\\$", "$") for one in given), given
    assert json.loads((package / "package.json").read_text())["process"]["path"] == name
    assert not list(tmp_path.rglob("marker"))


@pytest.mark.parametrize("name", ["a\nb.ipynb", "a\x1b[2Jb.ipynb", "../process.ipynb", "/etc/hostname", ".git/config"])
def test_a_process_that_is_no_plain_path_is_refused(
    name: str, repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository)

    refused = packmill("build", repository, "--no-image", "--output", tmp_path / "out", f"--process={name}")

    assert refused.code in (2, 11)
    assert "\x1b" not in refused.err
    assert not (tmp_path / "out").exists()


LINKED = {
    "requirements": ("requirements.txt", "apt.txt"),
    "conda": ("environment.yml",),
    "metadata": ("CITATION.cff", "codemeta.json", "LICENSE", "algorithm_config.yml", "process.yaml", "data.csv"),
    "project": ("pyproject.toml",),
}


@pytest.mark.parametrize("names", LINKED.values(), ids=LINKED)
def test_a_link_out_of_a_repository_shows_nothing_of_the_host(
    names: tuple[str, ...], repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "file").write_text(f"name: {SECRET}\ntitle: {SECRET}\n{SECRET}\n")
    write_notebook(repository / "process.ipynb", "f = [{'path': 'data.csv'}]  # type: stage-in")
    for name in names:
        (repository / name).symlink_to(tmp_path / "host" / "file")
    commit_all(repository)

    built = packmill("build", repository, "--no-image", "--output", tmp_path / "out")

    assert built.code in (0, 14), built.err
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert SECRET not in built.err + built.out + "".join(path.read_text(encoding="utf-8") for path in files)


LINKS = (
    *("environment.yml", "apt.txt", "Dockerfile", "postBuild", "binder", "CITATION.cff", "LICENSE", "README.md"),
    *(".lfsconfig", "algorithm_config.yml", "data.csv", "other.ipynb", "src"),
)


@pytest.mark.parametrize("target", ["a" * 300, "a/" * 2000, "itself", "folder"], ids=["long", "deep", "loop", "folder"])
def test_links_that_lead_to_no_file_are_packaged(
    target: str, repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "a = 1")
    (repository / "folder").mkdir()
    (repository / "folder" / "file").write_text("1")
    for name in LINKS:
        (repository / name).symlink_to(name if target == "itself" else target)
    commit_all(repository)

    for command in (("inspect",), ("build", "--no-image", "--output", tmp_path / "out")):
        finished = packmill(command[0], repository, *command[1:])

        assert finished.code in (0, 14), finished.err
        assert "Traceback" not in finished.err


def test_a_binder_folder_that_is_a_link_out_of_the_repository_is_not_listed(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "apt.txt").write_text("curl")
    (tmp_path / "host" / "start").mkdir()
    write_notebook(repository / "process.ipynb", "a = 1")
    (repository / "binder").symlink_to(tmp_path / "host")
    commit_all(repository)

    inspected = packmill("inspect", repository)

    assert inspected.code == 14
    assert "binder: a link that leaves the repository is not followed" in inspected.err
    assert "apt.txt" not in inspected.err + inspected.out


ADDRESSES = (
    "--upload-pack=touch marker",
    "-x",
    "ext::sh -c touch% marker",
    "fd::17/x",
    "http://git.example.org/a/b",
    "git://git.example.org/a/b",
    "ftp://git.example.org/a/b",
    "ssh://-oProxyCommand=touch%20marker/a/b",
    "-oProxyCommand=touch:a/b",
    "file:///etc",
    "https://git.example.org/a/.git/hooks",
    "https://git.example.org/a\x1b[2J/b",
    "~no-such-user/a",
    f"file:///{'a' * 300}",
)


@pytest.mark.parametrize("address", ADDRESSES, ids=[f"{number}" for number in range(len(ADDRESSES))])
def test_a_submodule_s_address_is_judged_as_a_repository_s(
    address: str, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    add_submodule(repository, "lib", address)

    with pytest.raises(RepositoryError) as refusal:
        checkout_of(repository, tmp_path)

    assert "submodule" in str(refusal.value)
    assert not list(tmp_path.rglob("marker"))


@pytest.mark.parametrize("path", ["a b", 'q"uote', "$(touch marker)", "li\nb", "größe"])
def test_a_submodule_s_path_is_no_command(
    path: str, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    library = tmp_path / repository.parent.relative_to(tmp_path) / "library"
    library.mkdir(parents=True)
    (library / "a.txt").write_text("a")
    commit = commit_all(library)
    add_submodule(repository, path, "../library", commit)

    folder = checkout_of(repository, tmp_path).folder

    assert (folder / path / "a.txt").read_text() == "a"
    assert not list(tmp_path.rglob("marker"))


def test_a_submodule_s_path_that_looks_like_an_option_is_refused(repository: Path, tmp_path: Path) -> None:
    add_submodule(repository, "-x", "https://git.example.org/a/b")

    with pytest.raises(RepositoryError, match=r"\.gitmodules cannot be read"):
        checkout_of(repository, tmp_path)


def add_submodule(repository: Path, path: str, address: str, commit: str = "1" * 40) -> None:
    """Commit a submodule that git's own command would refuse to add."""
    (repository / "file").write_text("x")
    commit_all(repository)
    for key, value in (("path", path), ("url", address)):
        git(repository, "config", "--file", ".gitmodules", f"submodule.lib.{key}", value)
    git(repository, "add", ".gitmodules")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    git(repository, "commit", "--quiet", "--message", "a submodule")


@pytest.mark.parametrize("name", ["..", ".git", ".GIT"])
def test_a_tree_that_leaves_its_folder_is_refused(name: str, repository: Path, tmp_path: Path) -> None:
    (repository / "marker").write_text("x")
    commit_all(repository)
    blob = git(repository, "rev-parse", "HEAD:marker")
    inner = tree(repository, [("100644", "marker", blob)])
    commit = git(repository, "commit-tree", tree(repository, [("40000", name, inner)]), "-m", "hostile")
    git(repository, "update-ref", "refs/heads/main", commit)

    with pytest.raises(PackmillError):
        checkout_of(repository, tmp_path / "below")

    assert [path for path in tmp_path.rglob("marker") if repository not in path.parents] == []


def tree(repository: Path, entries: Iterable[tuple[str, str, str]]) -> str:
    """Write a tree that git itself would not write."""
    data = b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(digest) for mode, name, digest in entries)
    command = ["git", "-C", str(repository), "hash-object", "-t", "tree", "-w", "--literally", "--stdin"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode().strip()


def test_attributes_and_configuration_in_a_tree_run_nothing_and_change_nothing(
    repository: Path, tmp_path: Path
) -> None:
    run = f"touch {tmp_path}/marker"
    files = {
        ".gitattributes": "* filter=own diff=own merge=own ident export-subst\n",
        ".gitconfig": f'[filter "own"]\n\tsmudge = {run}\n\tclean = {run}\n[core]\n\tfsmonitor = {run}\n',
        ".lfsconfig": f'[lfs]\n\tstandalonetransferagent = own\n[lfs "customtransfer.own"]\n\tpath = {run}\n',
        "hooks/post-checkout": f"#!/bin/sh\n{run}\n",
        "data.csv": "a,b\n1,2\n",
    }
    for name, text in files.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)
        (repository / name).chmod(0o755)
    commit_all(repository)

    folder = checkout_of(repository, tmp_path).folder

    assert {name: (folder / name).read_text() for name in files} == files
    assert not (tmp_path / "marker").exists()


def test_a_long_history_and_deep_folders_are_packaged(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    grow(repository, "d/" * 150 + "f", commits=500)

    built = packmill("build", repository, "--no-image", "--output", tmp_path / "out")

    assert built.code == 0, built.err
    folder = checkout_of(repository, tmp_path).folder
    assert git(folder, "rev-list", "--count", "HEAD") == "1"
    assert (folder / ("d/" * 150) / "f").read_text() == "x"


def test_a_tree_deeper_than_python_can_walk_is_refused_before_it_is_written(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    grow(repository, "d/" * 1200 + "f")

    refused = packmill("build", repository, "--no-image", "--output", tmp_path / "out")

    assert refused.code == 10
    assert "folders are nested more than 200 deep below 'd'" in refused.err
    found = look_up(build_request(str(repository)), {})
    assert [one["process"] for one in found["interfaces"]] == ["process.ipynb"]


def test_a_path_longer_than_the_system_takes_is_refused_before_it_is_written(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    """git could write it from the folder of the checkout; nothing that reads or measures the checkout reaches it."""
    grow(repository, "/".join(["d" * 200] * 20) + "/f.ipynb")

    refused = packmill("build", repository, "--no-image", "--output", tmp_path / "out")

    assert refused.code == 10
    assert "is too long; shorten the names of its folders" in refused.err
    assert look_up(build_request(str(repository)), {})["processes"] == ["process.ipynb"]


def test_a_path_in_a_submodule_counts_with_the_submodule_s_folder(repository: Path, tmp_path: Path) -> None:
    library = repository.parent / "library"
    place = Path(*["d" * 200] * 14)
    (library / place).mkdir(parents=True)
    (library / place / "f").write_text("x")
    add_submodule(repository, "/".join(["s" * 200] * 5), "../library", commit_all(library))

    with pytest.raises(RepositoryError, match=r"submodule .* is too long; shorten"):
        checkout_of(repository, tmp_path)


def grow(repository: Path, path: str, *, commits: int = 1) -> None:
    """Add commits to a repository with a notebook; the first adds a file at ``path``."""
    write_notebook(repository / "process.ipynb", "n = 1  # type: int")
    commit_all(repository)
    head = (
        "commit refs/heads/main\ncommitter a <a@b> {time} +0000\ndata 1\nx\n{parent}M 100644 inline {path}\ndata 1\nx\n"
    )
    texts = [head.format(time=1770000000, parent="from refs/heads/main^0\n", path=path)]
    texts += [head.format(time=1770000000 + number, parent="", path=f"n/{number}") for number in range(1, commits)]
    subprocess.run(
        ["git", "-C", str(repository), "fast-import", "--quiet"], input="".join(texts), text=True, check=True
    )
