"""Every refusal says where, what and what to do, has its exit code, and leaves nothing behind.

A folder of ``cases/refusals`` holds a repository, the command, and the exit code with the message that it must give.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Finished, cases, commit_all, copy_case, folders


@pytest.mark.parametrize("case", folders("refusals"), ids=lambda path: path.name)
def test_is_refused(
    case: Path, tmp_path: Path, packmill: Callable[..., Finished], golden: Callable[[Path, str], None]
) -> None:
    repository = copy_case(case, tmp_path / "ada" / "trees")
    plain = copy_case(case, tmp_path / "plain")
    commit_all(repository)
    places = {"{repository}": str(repository), "{plain}": str(plain), "{output}": str(tmp_path / "output")}
    words = shlex.split((case / "command").read_text(encoding="utf-8"))
    for place, path in places.items():
        words = [word.replace(place, path) for word in words]
    if case.name == "repository-empty":
        words.insert(1, "")

    finished = packmill(*words)

    said = finished.err[finished.err.index("packmill: ") :].replace(str(tmp_path), "<tmp>")
    golden(case / "expected.txt", f"exit {finished.code}\n{said}")
    assert finished.code in (2, 10, 11, 12, 13, 14, 17)
    assert finished.out == ""
    assert not list((tmp_path / "output").rglob("*.*"))


def test_the_same_mistakes_as_json(repository: Path, packmill: Callable[..., Finished]) -> None:
    copy_case(cases / "refusals" / "several-mistakes", repository)

    finished = packmill("inspect", repository, "--json")

    assert finished.code == 13
    error = finished.json()["error"]
    assert error["exit_code"] == 13
    assert [(mistake["line"], mistake["text"]) for mistake in error["mistakes"]][:2] == [
        (1, "a = 3  # type: flot"),
        (2, "b = 'x'  # type: int"),
    ]
    assert "did you mean" in error["mistakes"][0]["message"].lower()
