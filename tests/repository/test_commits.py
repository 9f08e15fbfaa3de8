"""What a commit records of itself, which can be anything that git stores."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import git
import pytest
from support import commit_all

from generator.repository.address import parse_repository
from generator.repository.commits import parse_commit
from generator.repository.fetch import fetch

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _raw(
    *, committer: str = "Ada <ada@example.org> 1770091506 +0100", headers: str = "", message: bytes = b""
) -> bytes:
    lines = (
        f"tree {'0' * 40}\nparent {'1' * 40}\nparent {'2' * 40}\nauthor A <> 5 +0000\ncommitter {committer}\n{headers}"
    )
    return lines.encode() + b"\n" + message


def test_message_parents_and_time_are_those_of_the_commit() -> None:
    signature = f"gpgsig -----BEGIN\n \n parent {'3' * 40}\n -----END\n"

    record = parse_commit(_raw(headers=signature, message=b"Plant trees\n\nparent of all\n"))

    assert (record.message, record.parents) == ("Plant trees\n\nparent of all", 2)
    assert record.time == datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("encoding", "message", "expected"),
    [
        ("ISO-8859-1", "Bäume".encode("latin-1"), "Bäume"),
        ("windows-1252", "10 €".encode("cp1252"), "10 €"),
        ("latin-unknown", "Bäume".encode(), "Bäume"),
        ("utf-7", b"+2AA-", "+2AA-"),
    ],
)
def test_messages_of_other_character_sets_are_read_and_other_encodings_are_not(
    encoding: str, message: bytes, expected: str
) -> None:
    """Some of Python's encodings are no character sets, or give characters that no document can hold."""
    assert parse_commit(_raw(headers=f"encoding {encoding}\n", message=message)).message == expected


@pytest.mark.parametrize("date", ["9" * 19, "9" * 15, "-5 x", "", "tomorrow +0000"])
def test_a_date_that_is_no_time_is_the_first_of_all(date: str) -> None:
    assert parse_commit(_raw(committer=f"Ada <ada@example.org> {date}")).time == _EPOCH


def test_commits_are_not_given_to_gitpython_which_cannot_read_all_of_them(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with an error of Python for a date that has more digits than Python reads, after the fetch."""
    (repository / "file").write_text("1")
    commit_all(repository, "Plant trees")
    monkeypatch.setattr(git.Commit, "_deserialize", lambda *_: int("x"))

    assert fetch(parse_repository(f"file://{repository}"), None, tmp_path / "checkout").message == "Plant trees"
