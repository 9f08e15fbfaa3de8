"""The message, the parents and the time of a commit, as git stores them.

GitPython's own reader takes time with the square of a line's length, and ends with errors of several kinds for dates
and encodings that git takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

from generator.repository.gitpython import git

_ENCODING = re.compile(r"(?i)(utf-?(8|16|32)|(iso|latin|cp|windows|koi8|euc|gb|big5|shift|sjis)[\w-]{0,20})")
"""Encodings of messages; some others of Python are not character sets, or take time with the square of the length."""
_MOST_DIGITS = 18


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitRecord:
    """What a commit records of itself; ``parents`` is their number."""

    message: str
    parents: int
    time: datetime


def read_commit(repo: git.Repo, commit: str) -> CommitRecord:
    """Read a commit of a repository.

    Raises:
        git.GitCommandError: it is missing.
    """
    return parse_commit(repo.git.cat_file("commit", commit, stdout_as_string=False))


def parse_commit(raw: bytes) -> CommitRecord:
    """Parse a commit object (git-commit-tree, "Commit Information"); an invalid date is read as 1970-01-01."""
    header, _, body = raw.partition(b"\n\n")
    lines = header.split(b"\n")  # those of a signature begin with a space
    values = dict(line.partition(b" ")[::2] for line in reversed(lines))
    return CommitRecord(
        message=_decode(body, values.get(b"encoding", b"").decode("ascii", "replace")).strip(),
        parents=sum(line.startswith(b"parent ") for line in lines),
        time=_time(values.get(b"committer", b"").rsplit(b" ", 2)[-2:][0]),
    )


def _decode(text: bytes, encoding: str) -> str:
    try:
        return text.decode(encoding if _ENCODING.fullmatch(encoding) else "utf-8", "replace")
    except LookupError:
        return text.decode("utf-8", "replace")


def _time(seconds: bytes) -> datetime:
    is_number = seconds.isdigit() and len(seconds) <= _MOST_DIGITS
    try:
        return datetime.fromtimestamp(int(seconds) if is_number else 0, tz=timezone.utc)
    except (ValueError, OverflowError, OSError):  # a commit may claim any date
        return datetime.fromtimestamp(0, tz=timezone.utc)
