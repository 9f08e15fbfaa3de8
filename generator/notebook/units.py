"""Tell the unit of a number from other text: ``K``, ``m s-1``, ``kg/m3``, ``degrees_north``, ``%``."""

from __future__ import annotations

import re

_BASE = frozenset(
    "m g s K Pa J W N Hz V A C F T mol cd sr rad bar eV Bq Gy Sv Jy l L t ha pc px B bit Ohm ohm S H Wb lm lx".split()
)
"""Symbols that take a prefix."""
_PREFIXES = ("da", *"YZEPTGMkhdcmuµμnpf")
_WORDS = frozenset(
    "% ‰ ° ′ ″ °C °F °N °E degC degF deg degree degrees degrees_north degrees_east degree_north degree_east celsius "
    "Celsius kelvin Kelvin min h hr d a yr second seconds minute minutes hour hours day days week weeks month months "
    "year years meter meters metre metres kilometer kilometers km2 mile miles ft inch inches nmi knot knots kt pixel "
    "pixels dB dBZ ppm ppmv ppb ppbv ppt psu PSU DU gpm au AU arcsec arcmin mas mag Angstrom atm mmHg".split()
)
_FACTOR = re.compile(r"([^\d^+-]+)\^?([+-]?\d{1,2})?")
_SEPARATOR = re.compile(r"\s*[/*.]\s*|\s+")
_PLAIN = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺·()", "0123456789-+.  ")
_LONGEST = 40


def is_unit(text: str) -> bool:
    """Whether a text is made of known units alone."""
    plain = text[: _LONGEST + 1].translate(_PLAIN).replace("**", "^").strip()
    return 0 < len(plain) <= _LONGEST and all(map(_is_factor, _SEPARATOR.split(plain)))


def _is_factor(text: str) -> bool:
    match = _FACTOR.fullmatch(text)
    return text == "1" or (match is not None and (match[1] in _WORDS or _is_symbol(match[1])))


def _is_symbol(text: str) -> bool:
    return text in _BASE or any(text.startswith(one) and text[len(one) :] in _BASE for one in _PREFIXES)
