"""The version of a commit by the tags of its repository, for packages that read their version from git.

Packages are built without the repository's history, so packmill describes the commit for them. Only git runs here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.version import InvalidVersion, Version

from generator.repository.checkout import read_text
from generator.repository.gitpython import git

_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
_DEEPEST = 3
_MOST_TEXT = 64 * 1024**2
"""Characters of packaging files that are searched."""
_TOOLS = re.compile(
    r"setuptools[_-]scm|use_scm_version|hatch[_-]vcs|flit[_-]scm|\bpbr\b"
    r"|(poetry|uv)-dynamic-versioning|source\s*=\s*[\"']scm[\"']"
)


def packaging_texts(folder: Path) -> Iterator[str]:
    """Yield the packaging files of a checkout that name a tool which reads the version from git.

    They are not collected, and end at a limit: a repository can have any number of large ones.
    """
    left = _MOST_TEXT
    for path in _packaging_files(folder):
        text = read_text(folder, path) or ""
        left -= len(text)
        if left < 0:
            return
        if _TOOLS.search(text):
            yield text


def _packaging_files(folder: Path) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        place = Path(root).relative_to(folder)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if len(place.parts) == _DEEPEST:
            folders.clear()
        yield from (Path(place, name).as_posix() for name in sorted(set(_FILES).intersection(files)))


def describe_version(repo: git.Repo, refs: Mapping[str, str]) -> tuple[str, str]:
    """Return the version of the commit that is checked out, and a warning if its tags are unavailable.

    As setuptools-scm does it: a tagged commit has the version of its tag, a later one a development version after it.
    """
    commit = str(repo.git.rev_parse("--short=12", "HEAD"))
    unknown = f"0.1.dev0+g{commit}"
    if not any(ref.startswith("refs/tags/") for ref in refs):
        return unknown, ""
    try:
        shallow = ("--unshallow",) if Path(repo.git_dir, "shallow").exists() else ()
        # commits are enough to count them
        filtered = ("--quiet", *shallow, "--filter=tree:0", "--no-tags", "--no-recurse-submodules", "--", "origin")
        repo.git.fetch(*filtered, "+refs/tags/*:refs/tags/*")
    except git.GitCommandError:
        return unknown, f"the tags of the repository cannot be fetched: its package gets the version {unknown}"
    try:
        described = str(repo.git.describe("--tags", "--long", "--match=*[0-9]*", "HEAD"))
    except git.GitCommandError:  # no tag before this commit
        return unknown, ""
    tag, distance, _ = described.rsplit("-", 2)
    return next_version(tag, int(distance), commit) or unknown, ""


def next_version(tag: str, distance: int, commit: str) -> str:
    """Return the version of the commit ``distance`` commits after ``tag``; empty if the tag has none (PEP 440)."""
    text = re.search(r"v?\d.*$", tag)
    try:
        version = Version(text[0] if text else tag)
    except InvalidVersion:
        return ""
    if not distance:
        return str(version)
    *release, last = version.release
    base = ".".join(map(str, (*release, last)))
    if version.pre:
        base += f"{version.pre[0]}{version.pre[1] + 1}"
    elif version.dev is None:
        base = ".".join(map(str, (*release, last + 1)))
    epoch = f"{version.epoch}!" if version.epoch else ""
    return f"{epoch}{base}.dev{distance}+g{commit}"
