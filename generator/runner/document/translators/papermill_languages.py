r"""Corrections of papermill's own translators: infinite numbers, and text with characters that its escapes change.

papermill escapes text as Python does. Julia runs ``$`` in a text; R and Julia read ``\xe9`` as a byte, C# reads up to
four digits after ``\x``, Scala knows neither ``\x`` nor ``\U``, and MATLAB knows no escapes.
"""

from __future__ import annotations

import importlib.util
import math
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from generator.runner.document.translators.base import UnwritableError, plain_number

_NAMED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNSAFE = re.compile(r'["\\]|[^ -~]')


def _with_escapes(text: str, further: Mapping[str, str] | None = None, *, long_form: bool = True) -> str:
    r"""Quote a text with ``\uNNNN``, beyond it ``\UNNNNNNNN`` or surrogate pairs; ``further`` are more escapes."""
    named = {**_NAMED, **(further or {})}

    def escape(match: re.Match[str]) -> str:
        character = match[0]
        if character in named:
            return named[character]
        if "\ud800" <= character <= "\udfff":
            raise UnwritableError("the text is not valid Unicode")
        if ord(character) < 1 << 16:
            return f"\\u{ord(character):04x}"
        if long_form:
            return f"\\U{ord(character):08x}"
        units = character.encode("utf-16-be").hex()
        return f"\\u{units[:4]}\\u{units[4:]}"

    unsafe = re.compile("|".join([_UNSAFE.pattern, *map(re.escape, further or ())]))
    return f'"{unsafe.sub(escape, text)}"'


def _r_text(text: str) -> str:
    if "\0" in text:
        raise UnwritableError("a text in R cannot have a null character")
    return _with_escapes(text)


def _bash_text(text: str) -> str:
    if "\0" in text:
        raise UnwritableError("a text in bash cannot have a null character")
    return shlex.quote(text)


def _r_date(value: date) -> str:
    if not isinstance(value, datetime):
        return f'as.Date("{value.isoformat()}")'
    return f'as.POSIXct("{value.replace(tzinfo=None).isoformat(sep=" ")}", tz = "UTC")'


def _julia_date(value: date) -> str:
    """Return a call that works after both ``using Dates`` and ``import Dates``."""
    if not isinstance(value, datetime):
        return f"Dates.Date({value.year}, {value.month}, {value.day})"
    parts = (*value.timetuple()[:6], value.microsecond // 1000)
    return f"Dates.DateTime({', '.join(map(str, parts))})"


def _python_date(value: date) -> str:
    """Return a call that needs no import: the notebook may have bound ``datetime`` to the module or to the class."""
    return re.sub(r"\bdatetime\.(?=date\(|datetime\(|timezone\b)", '__import__("datetime").', repr(value))


def _matlab_text(text: str) -> str:
    """Join the parts of a text and its control characters, which MATLAB has no escapes for."""
    parts = re.split("([\x00-\x1f\x7f])", text)
    quoted = [
        f"char({ord(part)})" if odd % 2 else '"' + part.replace('"', '""') + '"' for odd, part in enumerate(parts)
    ]
    return " + ".join(quoted)


@dataclass(frozen=True, slots=True)
class _Correction:
    infinities: tuple[str, str, str] | None
    """Infinity, minus infinity and NaN."""
    text: Callable[[str], str] | None = None
    date: Callable[[date], str] | None = None
    """Writes a date or a datetime; without it, they are texts."""


_corrections = {
    "RTranslator": _Correction(("Inf", "-Inf", "NaN"), _r_text, _r_date),
    "JuliaTranslator": _Correction(("Inf", "-Inf", "NaN"), lambda text: _with_escapes(text, {"$": "\\$"}), _julia_date),
    "ScalaTranslator": _Correction(
        ("Double.PositiveInfinity", "Double.NegativeInfinity", "Double.NaN"),
        lambda text: _with_escapes(text, long_form=False),
    ),
    "CSharpTranslator": _Correction(
        ("double.PositiveInfinity", "double.NegativeInfinity", "double.NaN"), _with_escapes
    ),
    "FSharpTranslator": _Correction(("infinity", "-infinity", "nan"), _with_escapes),
    "MatlabTranslator": _Correction(None, _matlab_text),
    "BashTranslator": _Correction(None, _bash_text),
}
"""By papermill's class."""


def correct(translator: Any) -> Any:
    """Return a translator of papermill with the corrections of its language, if it has some."""
    if getattr(translator, "__name__", "") == "PythonTranslator":
        changed: dict[str, Any] = {"translate_escaped_str": _text_method(translator, _python_date)}
        if not _has_black():
            changed["codify"] = classmethod(_codify_without_black)
        return type(translator.__name__, (translator,), changed)
    correction = _corrections.get(getattr(translator, "__name__", ""))
    if correction is None:
        return translator
    methods: dict[str, Any] = {"is_corrected": True}
    if words := correction.infinities:
        methods["translate_float"] = classmethod(lambda _cls, value: _number(translator, words, value))
    if correction.text or correction.date:
        methods["translate_escaped_str"] = _text_method(translator, correction.date, correction.text)
    if translator.__name__ == "BashTranslator":
        methods["translate_float"] = classmethod(lambda _cls, value: plain_number(value))
        methods["translate_list"] = classmethod(_bash_array)
    return type(translator.__name__, (translator,), methods)


def _text_method(
    translator: Any, write_date: Callable[[date], str] | None, write: Callable[[str], str] | None = None
) -> Any:
    """Return the method for texts, which papermill also calls for values of other types, such as dates."""

    def translate_escaped_str(_cls: Any, value: Any) -> str:
        if write_date and isinstance(value, date):
            return write_date(value)
        return write(str(value)) if write else str(translator.translate_escaped_str(value))

    return classmethod(translate_escaped_str)


@cache
def _has_black() -> bool:
    return importlib.util.find_spec("black") is not None


def _codify_without_black(cls: Any, parameters: Mapping[str, Any], comment: str = "Parameters") -> str:
    """Write the parameters as papermill does where black is missing, without looking for it again."""
    return str(super(cls.__mro__[1], cls).codify(parameters, comment))


def _number(translator: Any, words: tuple[str, str, str], value: float) -> str:
    if math.isfinite(value):
        return str(translator.translate_float(value))
    return words[2] if math.isnan(value) else words[value < 0]


def _bash_array(cls: Any, values: list[Any]) -> str:
    if any(isinstance(one, list | dict) for one in values):
        raise UnwritableError("an array in bash holds no lists and no dictionaries")
    return "(" + " ".join(cls.translate(one) or "''" for one in values) + ")"
