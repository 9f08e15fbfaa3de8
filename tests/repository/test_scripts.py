"""Scripts with Windows line endings or a byte order mark, which no Linux starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import commit_all

from generator.repository.address import parse_repository
from generator.repository.fetch import fetch
from generator.repository.scripts import repair_scripts

_BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("postBuild", b"#!/bin/bash\r\necho hi\r\n", b"#!/bin/bash\necho hi\n"),
        ("start", _BOM + b"#!/bin/sh\necho hi\n", b"#!/bin/sh\necho hi\n"),
        ("tools/run", _BOM + b"#!/usr/bin/env python\r\nprint()\r\n", b"#!/usr/bin/env python\nprint()\n"),
        ("lib.sh", b"a=1\r\nb=2\r\n", b"a=1\nb=2\n"),
        ("lib.sh", _BOM + b"a=1\n", b"a=1\n"),
        ("ok.sh", b"#!/bin/sh\nprintf 'a\r\n'\n", b"#!/bin/sh\nprintf 'a\r\n'\n"),
        ("data.csv", _BOM + b"a,b\r\n1,2\r\n", _BOM + b"a,b\r\n1,2\r\n"),
        ("archive.sh", b"#!/bin/sh\r\n\0\r\n", b"#!/bin/sh\r\n\0\r\n"),
    ],
)
def test_a_script_is_packaged_as_linux_starts_it(name: str, before: bytes, after: bytes, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(before)

    warnings = repair_scripts(tmp_path)

    assert (tmp_path / name).read_bytes() == after
    assert len(warnings) == (before != after)
    assert all(warning.startswith(f"{name}: ") for warning in warnings)


def test_a_link_is_not_followed_and_the_mode_stays(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside.sh", tmp_path / "folder"
    folder.mkdir()
    outside.write_bytes(b"#!/bin/sh\r\n")
    (folder / "link.sh").symlink_to(outside)
    (folder / "run.sh").write_bytes(b"#!/bin/sh\r\n")
    (folder / "run.sh").chmod(0o755)

    repair_scripts(folder)

    assert outside.read_bytes() == b"#!/bin/sh\r\n"
    assert (folder / "run.sh").stat().st_mode & 0o777 == 0o755


def test_only_the_checkout_is_changed_and_a_warning_names_the_script(repository: Path, tmp_path: Path) -> None:
    (repository / "start").write_bytes(b'#!/bin/sh\r\nexec "$@"\r\n')
    commit_all(repository)

    checkout = fetch(parse_repository(str(repository)), None, tmp_path / "checkout")

    assert (checkout.folder / "start").read_bytes() == b'#!/bin/sh\nexec "$@"\n'
    assert (repository / "start").read_bytes().startswith(b"#!/bin/sh\r\n")
    assert [warning for warning in checkout.warnings if warning.startswith("start: Windows line endings")]
