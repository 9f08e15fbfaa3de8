"""The build contexts of repo2docker's own build packs."""

from __future__ import annotations

import io
import logging
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from repo2docker.app import Repo2Docker
from repo2docker.buildpacks import BuildPack, CondaBuildPack

from generator.containers.build_packs import with_context_on_disk
from generator.containers.builder import repo2docker_app

_Entries = dict[str, tuple[Any, ...]]


class Client:
    """repo2docker's engine, which reads a context instead of building it."""

    def __init__(self) -> None:
        self.entries: _Entries = {}
        self.is_on_disk = False

    def build(self, *, fileobj: IO[bytes], **_: Any) -> Iterator[str]:
        """Read the context."""
        self.is_on_disk = not isinstance(fileobj, io.BytesIO) and fileobj.fileno() > 0
        with tarfile.open(fileobj=fileobj) as archive:
            for one in archive:
                content = archive.extractfile(one) if one.isreg() else None
                data = content.read() if content else b""
                self.entries[one.name] = (one.type, one.mode, one.uid, one.uname, one.mtime, one.linkname, data)
        yield "built"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkout"
    (folder / "data/deep").mkdir(parents=True)
    (folder / "environment.yml").write_text("dependencies: [python=3.11]")
    (folder / "data/deep/a.csv").write_text("1")
    (folder / "postBuild").touch(0o755)
    (folder / "all").symlink_to(".")
    (folder / "lost").symlink_to("nowhere")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).touch()
    monkeypatch.chdir(folder)
    return folder


def context_of(pack: type) -> Client:
    made = pack(base_image="base")
    made.platform = "linux/amd64"
    made.log = logging.getLogger(__name__)  # not that of a build in this process, which has ended
    client = Client()
    assert list(made.build(client, "x:y", 0, {"NB_UID": "1000"}, [], {})) == ["built"]
    return client


def test_a_context_is_that_of_repo2docker_and_not_in_memory(checkout: Path) -> None:
    theirs, ours = context_of(CondaBuildPack), context_of(with_context_on_disk(CondaBuildPack))

    assert {name: one for name, one in ours.entries.items() if name != "src"} == theirs.entries
    assert (theirs.is_on_disk, ours.is_on_disk) == (False, True)


@pytest.mark.parametrize("name", [".dockerignore", ".containerignore"])
def test_ignore_files_are_not_read(checkout: Path, name: str) -> None:
    """One can be a link to any file of this machine, an endless one included."""
    every = context_of(with_context_on_disk(CondaBuildPack)).entries
    (checkout.parent / "patterns").write_text("*")
    (checkout / name).symlink_to(checkout.parent / "patterns")

    found = context_of(with_context_on_disk(CondaBuildPack)).entries

    assert found.keys() == every.keys() | {f"src/{name}"}


def test_every_build_pack_that_makes_a_context_makes_it_on_disk(checkout: Path) -> None:
    app = repo2docker_app(checkout, image="x:y", base_image="x", packs=(), time=0, fresh=False)
    theirs = Repo2Docker().buildpacks

    assert [pack.__name__ for pack in app.buildpacks] == [pack.__name__ for pack in theirs]
    assert not [pack for pack in app.buildpacks if getattr(pack, "build", None) is BuildPack.build]
