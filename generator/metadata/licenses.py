"""Identify licenses: by an SPDX expression, or by the text of a license file.

The texts of the licenses on choosealicense.com come with the package ``identify``. A text is compared word by word, and
may differ only in the names of the holders: a license with a further condition is unknown, not a similar one.
"""

from __future__ import annotations

import re
from functools import cache

_SPDX_LINE = re.compile(r"SPDX-License-Identifier:\s*([^\n*]+)")
_COPYRIGHT = re.compile(
    r"(?im)^\W*(?:(?:portions )?(?:copyright[ \t]*)?(?:©|\(c\))|copyright[ \t]*[\d\[]|all rights reserved).*$"
)
_ENDS = (("end", "of", "terms", "and", "conditions"), ("appendix", "how", "to", "apply"))
_BULLET = re.compile(r"(?m)^[ \t]*(?:\(?(?:\d{1,2}|[a-z])[.)]|[*•-])[ \t]+")
_HOLDER = frozenset(
    "copyright holder holders owner owners author authors contributors organization project fullname year".split()
)
_AROUND_HOLDER = _HOLDER | {"the", "of", "and", "its"}
_LONGEST_NAME = 12
"""Words of a holder's name, in place of words such as ``the copyright holder``."""
_PRELUDE = 40
"""Words of a title before the terms."""


def canonical_license(text: str) -> str:
    """Return an SPDX expression in its canonical spelling; other texts as they are."""
    return spdx_expression(text) or text


def spdx_expression(text: str) -> str:
    """Return a valid SPDX expression in its canonical spelling, or an empty text."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    plain = re.sub(r"^https?://(www\.)?spdx\.org/licenses/([\w.+-]+?)(\.html|\.json)?/?$", r"\2", text.strip())
    try:
        return str(canonicalize_license_expression(plain)) if len(plain) <= 200 else ""
    except (InvalidLicenseExpression, ValueError, RecursionError):
        return ""


def license_of_text(text: str) -> str:
    """Return the SPDX identifier of a license's text, or an empty text if it is unknown.

    Licenses of the GPL family get the identifier without ``-only`` or ``-or-later``, which their text does not state.
    """
    if line := _SPDX_LINE.search(text[:4096]):
        return spdx_expression(line[1])
    from identify.vendor.licenses import LICENSES

    words = _words(text)
    length = len(" ".join(words))
    similar = (one for one in LICENSES if length / 2 <= len(one[1]) <= length * 2)
    return next((spdx for spdx, known in similar if _is_same(words, _without_title(known))), "")


@cache
def _without_title(text: str) -> list[str]:
    """Return the words of a license without its title, where one is above the line of the copyright."""
    first, separator, rest = text.partition("\n\n")
    titled = separator and len(_words(first)) <= 8 and not first.lower().startswith(("do what", "permission"))
    return _words(rest if titled else text)


def _words(text: str) -> list[str]:
    """Return the words of a text in lower case, without the lines of its copyright, and up to an appendix."""
    plain = _BULLET.sub("", _COPYRIGHT.sub("", text.replace("https://", "http://")))
    words = re.findall(r"[a-z0-9]+", plain.lower())
    for end in _ENDS:
        for start in (index for index, word in enumerate(words) if word == end[0]):
            if tuple(words[start : start + len(end)]) == end:
                return words[:start]
    return words


def _is_same(words: list[str], known: list[str]) -> bool:
    start = next((at for at in range(_PRELUDE) if words[at : at + 6] == known[:6]), None)
    if start is None or not known:
        return False
    at = start
    expected = 0
    while expected < len(known):
        if at < len(words) and words[at] == known[expected]:
            at, expected = at + 1, expected + 1
            continue
        after = expected
        while after < len(known) and known[after] in _AROUND_HOLDER:
            after += 1
        following = known[after : after + 3]
        skipped = next((n for n in range(_LONGEST_NAME) if words[at + n : at + n + 3] == following), None)
        if skipped is None or _HOLDER.isdisjoint(known[expected:after]):
            return False
        at, expected = at + skipped, after
    return at == len(words)
