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
        ("R", r'x <- "\x41\u00e9\U0001f600\u{e9}\033"', "Aé😀é\x1b"),
        ("R", r'x <- "\xe9"', Missing.COMPUTED),
        ("R", r"""x <- list("a\"]" = 1)""", {'a"]': 1}),
        ("julia", r'x = Dict("\u00e9" => 1)', {"é": 1}),
        ("javascript", r'x = "\ud83d\ude00\u{e9}\x41\0"', "😀éA\0"),
        ("javascript", r'x = "\ud83d"', Missing.COMPUTED),
        ("javascript", r'x = "\01"', Missing.COMPUTED),
        ("octave", r'x = "\303\251\x41"', "éA"),
        ("lua", r'x = "\0651\u{e9}"', "A1é"),
        ("lua", r'x = "\999"', Missing.COMPUTED),
        ("lua", r'x = {["a\65"] = 1}', {"aA": 1}),
        ("gnuplot", r'x = "\303\251"', "é"),
        ("powershell", "$x = 'it’’s'", "it’s"),
    ],
)
def test_a_text_is_read_as_its_language_reads_it(language: str, cell: str, default: object) -> None:
    read = reader_of(language)

    assert read is not None
    assert [one.default for one in read(cell).parameters] == [default]
