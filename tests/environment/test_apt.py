"""Debian packages in ``apt.txt``."""

from __future__ import annotations

import pytest

from generator.environment.apt import read_apt
from generator.shared.errors import EnvironmentSpecError


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        ("jq\n\n# a comment\n", ("jq",)),
        ("file less  # two\n\ttree\n", ("file", "less", "tree")),
        ("g++ libstdc++6 0ad\n", ("0ad", "g++", "libstdc++6")),
        (
            "file:amd64 libc6:any/bookworm less/bookworm-backports",
            ("file:amd64", "less/bookworm-backports", "libc6:any/bookworm"),
        ),
        ("file=1:5.44-3~deb12u1 file=1:5.44-3~deb12u1", ("file=1:5.44-3~deb12u1",)),
    ],
)
def test_packages_are_read_as_repo2docker_reads_them(text: str, packages: tuple[str, ...]) -> None:
    assert read_apt("apt.txt", text) == packages


@pytest.mark.parametrize(
    "word",
    ["-oA=b", "--reinstall", "less,", "file-", "a;b", "$(id)", "a`b`", "A", "./a.deb", "lib*", "a/b/c", "a=", '"a"'],
)
def test_options_and_shell_are_refused(word: str) -> None:
    with pytest.raises(EnvironmentSpecError) as refusal:
        read_apt("apt.txt", f"jq\nless {word}\n")

    assert str(refusal.value) == f"apt.txt line 2: {word!r} is not the name of a Debian package"
