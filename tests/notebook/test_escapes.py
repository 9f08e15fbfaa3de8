"""Texts with escapes in the languages that the scanner reads: pairs of backslashes are one character."""

from __future__ import annotations

import pytest

from generator.notebook.languages import reader_of
from generator.notebook.parameters import Missing


@pytest.mark.parametrize(
    ("language", "cell", "default"),
    [
        ("R", r'path <- "C:\\data"', r"C:\data"),
        ("R", r'digits <- "\\d+"', r"\d+"),
        ("julia", r'path = "C:\\data"', r"C:\data"),
        ("julia", r'price = "\$5"', "$5"),
        ("julia", r'path = "a\\$b"', Missing.COMPUTED),
        ("javascript", r'path = "C:\\data"', r"C:\data"),
        ("javascript", r"path = `a\\${b}`", Missing.COMPUTED),
    ],
)
def test_a_text_is_read_as_its_language_reads_it(language: str, cell: str, default: object) -> None:
    read = reader_of(language)

    assert read is not None
    assert [one.default for one in read(cell).parameters] == [default]
