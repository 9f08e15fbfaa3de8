r"""Escapes in strings: characters such as ``\n``, and characters by their numbers, such as ``\x41`` or ``\u00e9``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


class WrongEscapeError(ValueError):
    """An escape that the language does not have, or a text that is not Unicode."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """An escape that has a number; the only group of ``pattern`` is its digits, in ``base``.

    The number is a byte of the text in UTF-8, or a code point, which may be half of a surrogate pair.
    """

    pattern: str
    base: int = 16
    is_byte: bool = False


_U4, _U8 = Numbered("u([0-9a-fA-F]{1,4})"), Numbered("U([0-9a-fA-F]{1,8})")
_BRACES = Numbered(r"u\{([0-9a-fA-F]{1,8})\}")
_HEX_BYTE = Numbered("x([0-9a-fA-F]{1,2})", is_byte=True)
OCTAL = (Numbered("([0-7]{1,3})", base=8, is_byte=True),)
"""The escapes of gnuplot."""
C_LIKE = (*OCTAL, _HEX_BYTE)
"""The escapes of Octave."""
JULIA = (*C_LIKE, _U4, _U8)
R = (*JULIA, _BRACES, Numbered(r"U\{([0-9a-fA-F]{1,8})\}"))
LUA = (
    Numbered("([0-9]{1,3})", base=10, is_byte=True),
    Numbered("x([0-9a-fA-F]{2})", is_byte=True),
    _BRACES,
)
JAVASCRIPT = (Numbered("u([0-9a-fA-F]{4})"), _BRACES, Numbered("x([0-9a-fA-F]{2})"))


def unescape(text: str, begin: str, characters: Mapping[str, str], numbered: tuple[Numbered, ...] = ()) -> str:
    """Return a string's text; ``begin`` is the character that begins an escape.

    Raises:
        WrongEscapeError: it has an unknown escape, or its bytes or code points are not Unicode.
    """
    kinds = "|".join(f"(?:{one.pattern})" for one in numbered)
    escape = re.compile(rf"{re.escape(begin)}(?:{kinds}{'|' if kinds else ''}(.))", re.DOTALL)
    try:
        return b"".join(_pieces(text, escape, characters, numbered)).decode()
    except (UnicodeError, OverflowError, ValueError) as error:
        raise WrongEscapeError(str(error)) from None


def _pieces(
    text: str, escape: re.Pattern[str], characters: Mapping[str, str], numbered: tuple[Numbered, ...]
) -> Iterator[bytes]:
    """Yield the parts of a text in UTF-8; code points are joined first, as they may be halves of pairs."""
    held, end = "", 0
    for match in escape.finditer(text):
        held, end = held + text[end : match.start()], match.end()
        place = match.lastindex or 0
        if place > len(numbered):
            if match[place] not in characters or (match[place] == "0" and text[end : end + 1].isdigit()):
                raise WrongEscapeError(match[0])
            held += characters[match[place]]
        elif numbered[place - 1].is_byte:
            yield _utf_8(held)
            held = ""
            yield bytes([int(match[place], numbered[place - 1].base)])
        else:
            held += chr(int(match[place], numbered[place - 1].base))
    yield _utf_8(held + text[end:])


def _utf_8(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le").encode()
