"""Builds with ``--no-submodules``: their messages, their image's name, and their rebuild."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Finished, commit_all, git, write_notebook

from generator.build.rebuild import _request, read_provenance


@pytest.fixture
def nested(repository: Path, tmp_path: Path) -> Path:
    """A repository with a notebook of its own and one in a submodule."""
    inner = tmp_path / "ada" / "inner"
    write_notebook(inner / "deep" / "model.ipynb", "n = 1  # type: int")
    commit_all(inner)
    write_notebook(repository / "process.ipynb", "n = 1  # type: int")
    commit_all(repository)
    git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "lib/inner")
    commit_all(repository)
    return repository


@pytest.mark.parametrize("process", ["lib/inner/deep/model.ipynb", "./lib//inner/model.sh"])
@pytest.mark.parametrize("command", ["inspect", "build"])
def test_a_process_in_a_submodule_is_refused_with_its_name(
    nested: Path, packmill: Callable[..., Finished], command: str, process: str
) -> None:
    options = ("--checkout", "main") if command == "inspect" else ("--no-image", "--output", nested.parent / "out")

    refused = packmill(command, nested, "--no-submodules", "--process", process, *options)

    assert refused.code == 11
    assert "in the submodule lib/inner, which is left out; try again without --no-submodules" in refused.err


def test_images_with_and_without_submodules_differ_and_a_rebuild_repeats_the_choice(
    nested: Path, packmill: Callable[..., Finished], tmp_path: Path
) -> None:
    def build(*options: str) -> dict[str, Any]:
        built = packmill("build", nested, "--no-image", "--output", tmp_path / "out", *options)
        assert built.code == 0, built.err
        return dict(json.loads(next((tmp_path / "out").rglob("package.json")).read_text()))

    whole, part = build(), build("--no-submodules")

    assert whole["image"]["reference"] != part["image"]["reference"]
    for record, options in ((whole, {}), (part, {"no_submodules": True})):
        record["build"] = {"layers": ["sha256:0"], "base": "python:3", "options": options}
        (tmp_path / "package.json").write_text(json.dumps(record))
        request = _request(read_provenance(tmp_path), output=tmp_path, fresh=False, image=None)
        assert request.submodules == (not options)
