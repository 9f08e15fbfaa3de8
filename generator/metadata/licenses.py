"""Identify licenses: by an SPDX expression, or by the text of a license file.

The texts of the licenses on choosealicense.com come with the package ``identify``. A text is compared word by word, and
may differ only in the names of the holders: a license with a further condition is unknown, not a similar one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

_SPDX_LINE = re.compile(r"SPDX-License-Identifier:\s*([^\n*]+)")
_COPYRIGHT = re.compile(
    r"(?im)^[^\w\n]*(?:portions )?(?:(?:copyright[ \t]*)?(?:©|\(c\))|copyright[ \t]*[\d\[{]|all rights reserved).*$"
)
_END = "end of terms and conditions".split()
_BULLET = re.compile(r"(?m)^[ \t]*(?:\(?(?:\d{1,2}|[a-z])[.)]|[*•-])[ \t]+")
_HOLDER = frozenset(
    "copyright holder holders owner owners author authors contributors organization project fullname year".split()
)
_AROUND_HOLDER = _HOLDER | {"the", "of", "and", "its"}
_LONGEST = 256 * 1024
"""Characters of a license."""
_LONGEST_NAME = 12
"""Words of a holder's name, in place of words such as ``the copyright holder``."""
_LONGEST_TITLE = 40
_TITLE = frozenset(
    "a and are as authors below by c contributors copyright date following for is license licensed of on "
    "project released reproduced software terms the this under v".split()
) | {"licence"}  # english: ignore
_OTHERS_IN_TITLE = 2
"""Words of a title that are neither in the license's own nor in every title, such as the name of a project."""


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


def license_address(text: str) -> str:
    """Return the address of a license's text: of a single license of the SPDX list, or an address as it is."""
    if re.fullmatch(r"https?://\S+", text):
        return text
    is_listed = " " not in text and not text.startswith("LicenseRef-") and spdx_expression(text)
    return f"https://spdx.org/licenses/{text}.html" if is_listed else ""


def license_of_text(text: str) -> str:
    """Return the SPDX identifier of a license's text, or an empty text if it is unknown.

    Licenses of the GPL family get the identifier without ``-only`` or ``-or-later``, which their text does not state.
    """
    if len(text) > _LONGEST:
        return ""
    if line := _SPDX_LINE.search(text[:4096]):
        return spdx_expression(line[1])
    from identify.vendor.licenses import LICENSES

    words = _words(text)
    length = len(" ".join(words))
    similar = (one for one in LICENSES if length / 2 <= len(one[1]) <= length * 2)
    return next((spdx for spdx, known in similar if _matches(words, _terms(known))), "")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Terms:
    """The words of a license's title, and those of its terms: with the appendix, and without it."""

    title: frozenset[str]
    forms: tuple[list[str], ...]


@cache
def _terms(text: str) -> _Terms:
    first, separator, rest = text.partition("\n\n")
    title = _words(first)
    titled = bool(separator) and len(title) <= 8 and not first.lower().startswith(("do what", "permission"))
    words = _words(rest if titled else text)
    ends = [at for at in range(len(words)) if words[at : at + len(_END)] == _END]
    forms = [words, *(form for at in ends for form in (words[:at], words[: at + len(_END)]))]
    return _Terms(title=frozenset(title) if titled else frozenset(), forms=tuple(forms))


def _matches(words: list[str], terms: _Terms) -> bool:
    start = next((at for at in range(_LONGEST_TITLE) if words[at : at + 6] == terms.forms[0][:6]), None)
    if start is None:
        return False
    others = [word for word in words[:start] if word not in terms.title | _TITLE]
    return len(others) <= _OTHERS_IN_TITLE and any(_is_same(words[start:], form) for form in terms.forms)


def _words(text: str) -> list[str]:
    """Return the words of a text in lower case, without bullets and the lines of its copyright."""
    plain = _BULLET.sub("", _COPYRIGHT.sub("", text.replace("https://", "http://")))
    return re.findall(r"[a-z0-9]+", plain.lower())


def _is_same(words: list[str], known: list[str]) -> bool:
    """Whether two lists of words differ in the names of holders alone."""
    at = expected = 0
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
