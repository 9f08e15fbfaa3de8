r"""Corrections of papermill's own translators: infinite numbers, and text with characters that its escapes change.

papermill escapes text as Python does. Julia runs ``$`` in a text; R and Julia read ``\xe9`` as a byte, C# reads up to
four digits after ``\x``, Scala knows neither ``\x`` nor ``\U``, and MATLAB knows no escapes.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from generator.runner.document.translators.base import UnwritableError

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


_corrections = {
    "RTranslator": _Correction(("Inf", "-Inf", "NaN"), _r_text),
    "JuliaTranslator": _Correction(("Inf", "-Inf", "NaN"), lambda text: _with_escapes(text, {"$": "\\$"})),
    "ScalaTranslator": _Correction(
        ("Double.PositiveInfinity", "Double.NegativeInfinity", "Double.NaN"),
        lambda text: _with_escapes(text, long_form=False),
    ),
    "CSharpTranslator": _Correction(
        ("double.PositiveInfinity", "double.NegativeInfinity", "double.NaN"), _with_escapes
    ),
    "FSharpTranslator": _Correction(("infinity", "-infinity", "nan"), _with_escapes),
    "MatlabTranslator": _Correction(None, _matlab_text),
    "BashTranslator": _Correction(None),
}
"""By papermill's class."""


def correct(translator: Any) -> Any:
    """Return a translator of papermill with the corrections of its language, if it has some."""
    if getattr(translator, "__name__", "") == "PythonTranslator" and not _has_black():
        return type(translator.__name__, (translator,), {"codify": classmethod(_codify_without_black)})
    correction = _corrections.get(getattr(translator, "__name__", ""))
    if correction is None:
        return translator
    methods: dict[str, Any] = {"is_corrected": True}
    if words := correction.infinities:
        methods["translate_float"] = classmethod(lambda _cls, value: _number(translator, words, value))
    if write := correction.text:
        methods["translate_escaped_str"] = classmethod(lambda _cls, value: write(str(value)))
    if translator.__name__ == "BashTranslator":
        methods["translate_list"] = classmethod(_bash_array)
    return type(translator.__name__, (translator,), methods)


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
