"""Secrets of the service may be in files, as engines and systemd hand them over."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.request.secret_files import with_secret_files
from generator.shared.errors import UsageError


def test_a_secret_is_read_from_its_file_without_the_last_line_break(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(" a secret \n")

    read = with_secret_files({"PACKMILL_GIT_TOKEN_FILE": str(file), "PATH": "/bin", "OTHER_FILE": "kept"})

    assert read == {"PACKMILL_GIT_TOKEN": " a secret ", "PATH": "/bin", "OTHER_FILE": "kept"}


def test_a_variable_without_a_file_stays() -> None:
    given = {"PACKMILL_CI_ACCESS_TOKEN": "a", "PACKMILL_CI_TRIGGER_TOKEN_FILE": ""}

    assert with_secret_files(given) == {"PACKMILL_CI_ACCESS_TOKEN": "a"}


@pytest.mark.parametrize(
    ("content", "value", "problem"),
    [
        (None, "", "No such file or directory"),
        (b"\n", "", "empty"),
        (b"\xff", "", "not UTF-8 text"),
        (b"x" * 70000, "", "larger than 64 KiB"),
        (b"a", "b", "PACKMILL_DATABASE is set too"),
    ],
    ids=["missing", "empty", "binary", "large", "twice"],
)
def test_a_file_without_a_secret_is_refused(tmp_path: Path, content: bytes | None, value: str, problem: str) -> None:
    file = tmp_path / "database"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(UsageError, match=problem):
        with_secret_files({"PACKMILL_DATABASE_FILE": str(file), "PACKMILL_DATABASE": value})
