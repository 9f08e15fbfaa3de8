"""Listing a repository before a build: its refs and files, without the contents of those that nobody asks for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from git_servers import https_server
from support import commit_all, git, write_notebook

from generator.build.lookup import look_up
from generator.repository.address import parse_repository
from generator.repository.listing import files_near, listed_repository
from generator.request.build import build_request
from generator.shared.errors import RepositoryError


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "top" / "ada" / "trees"
    write_notebook(folder / "work" / "trees.ipynb", "n = 1  # how many\n")
    (folder / "large.bin").write_bytes(os.urandom(3 << 20))
    (folder / "README.md").write_text("# Trees")
    commit_all(folder)
    for version in ("v9", "v10"):
        git(folder, "tag", version)
    git(folder, "config", "uploadpack.allowFilter", "true")
    return folder


def test_refs_and_files_come_without_the_contents_of_files(repository: Path, tmp_path: Path) -> None:
    with https_server(tmp_path / "top", tmp_path, token="t0ken") as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_SSL_CAINFO", str(tmp_path / "certificate.pem"))
        address = parse_repository(f"{url}/ada/trees/.git")
        with listed_repository(address, tmp_path / "listed", token="t0ken") as listed:
            listing = listed.list_files("v10")
            folder = listed.check_out_some(listing, files_near(listing.paths, "work/trees.ipynb"))

            assert (listed.references.default, listed.references.tags) == ("main", ("v10", "v9"))
            assert set(listing.paths) == {"README.md", "large.bin", "work/trees.ipynb"}
            assert (folder / "README.md").read_text() == "# Trees"
            assert (folder / "large.bin").read_bytes() == b""
            assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 1 << 20

        with pytest.raises(RepositoryError), listed_repository(address, tmp_path / "refused", token="wrong"):
            pass


def test_the_only_notebook_is_looked_up_if_none_is_named(repository: Path) -> None:
    found = look_up(build_request(str(repository), checkout="main"), {})

    (interface,) = found["interfaces"]
    assert (interface["process"], [one["name"] for one in interface["inputs"]]) == ("work/trees.ipynb", ["n"])
    assert found["problem"] is None


def test_what_was_found_before_a_problem_is_kept(repository: Path) -> None:
    found = look_up(build_request(str(repository), checkout="v11"), {})

    assert found["tags"] == ["v10", "v9"]
    assert "did you mean 'v10'?" in found["problem"]["message"]
    missing = look_up(build_request(str(repository), processes=("tree.ipynb",)), {})
    assert "not in the repository" in missing["interfaces"][0]["problem"]["reason"]


def test_paths_that_leave_the_folder_are_not_listed(repository: Path, tmp_path: Path) -> None:
    blob = git(repository, "rev-parse", "HEAD:README.md").strip()
    inner = _tree(repository, (("100644", "config", blob), ("100644", "evil.ipynb", blob)))
    top = _tree(repository, (("40000", "..", inner), ("40000", ".git", inner), ("100644", "a\nb.ipynb", blob)))
    commit = git(repository, "commit-tree", top, "-m", "hostile").strip()
    git(repository, "update-ref", "refs/heads/hostile", commit)

    with listed_repository(parse_repository(str(repository)), tmp_path / "listed") as listed:
        listing = listed.list_files("hostile")

        assert listing.paths == ()


def _tree(repository: Path, entries: tuple[tuple[str, str, str], ...]) -> str:
    """Write a tree that git itself would not write."""
    data = b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(digest) for mode, name, digest in entries)
    command = ["git", "-C", str(repository), "hash-object", "-t", "tree", "-w", "--literally", "--stdin"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode().strip()
