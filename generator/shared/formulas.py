"""TeX formulas as MathML, which browsers typeset without a script, a font or another host.

latex2mathml (https://github.com/roniemartinez/latex2mathml) reads what MathJax would in Jupyter. Its input may be
hostile, so formulas are short, and nothing of them becomes an element or attribute other than its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape, unescape
from xml.etree.ElementTree import Element, tostring

_LONGEST, _LONGEST_TEXT = 8_000, 20_000
"""Characters of a formula, of which a matrix of 30 by 30 numbers has some 5,000, and of a text with formulas."""
_FORMULA = re.compile(
    r"(?<!\\)\$\$(?P<dollars>.{1,8000}?)\$\$"
    r"|\\\[(?P<brackets>.{1,8000}?)\\\]"
    r"|\\begin\{(?P<name>[a-zA-Z]{1,20}\*?)\}.{0,8000}?\\end\{(?P=name)\}"
    r"|(?<!\\)\$(?P<dollar>[^$]{1,8000})\$"
    r"|\\\((?P<parentheses>.{1,8000}?)\\\)",
    re.DOTALL,
)
"""Formulas in a text, as MathJax finds them (https://docs.mathjax.org/en/latest/input/tex/delimiters.html)."""
_LABEL = re.compile(r"\\label\s*\{[^{}]*\}")
_NUMBERED = re.compile(r"\\(begin|end)\{(align|alignat|eqnarray|flalign|gather|multline)\}")
"""Environments that number their lines, which would begin with 1 in every formula."""
_LINKS = ("href", "xlink:href", "src", "id", "class", "style")

style = (
    ".formula { display: block; overflow-x: auto; overflow-y: hidden; padding: .3em 0; text-align: center; } "
    "math { font-size: 1.1em; }"
)
"""The style of a page with formulas: long ones scroll."""


@dataclass(slots=True)
class Typesetter:
    """Typesets the formulas of one page; ``left`` is how many characters of formulas it still takes."""

    left: int = 300_000

    def formula(self, formula: str, *, is_block: bool) -> str | None:
        """Return a formula of TeX, without its delimiters, as HTML; None if it cannot be typeset."""
        from latex2mathml.converter import convert_to_element

        if len(formula) > min(_LONGEST, self.left):
            return None
        self.left -= len(formula)
        plain = _NUMBERED.sub(r"\\\1{\2*}", _LABEL.sub("", formula)).strip()
        try:
            math = convert_to_element(plain, display="block" if is_block else "inline")
            made = tostring(_cleaned(math), encoding="unicode")
        except Exception:  # noqa: BLE001 - formulas are written by hand, and the library has many errors for wrong ones
            return None
        return f'<span class="formula">{made}</span>' if is_block else made

    def text(self, text: str) -> str:
        """Return the text of a LaTeX output as HTML; formulas that cannot be typeset stay as they are."""
        return "".join(self._parts(text)) if len(text) <= _LONGEST_TEXT else escape(text)

    def _parts(self, text: str) -> Iterator[str]:
        position = 0
        for found in _FORMULA.finditer(text):
            yield escape(text[position : found.start()])
            body = next((one for name, one in found.groupdict().items() if one and name != "name"), found[0])
            is_block = found["dollar"] is None and found["parentheses"] is None
            yield self.formula(body, is_block=is_block) or escape(found[0])
            position = found.end()
        yield escape(text[position:])


def _cleaned(math: Element) -> Element:
    """Replace the library's character references by their characters, and remove what a formula may not choose.

    The library has references such as ``&#x0003D;`` in its texts, and its own writer resolves them after escaping: then
    the text ``<img>`` would be an element.
    """
    for part in math.iter():
        part.text, part.tail = unescape(part.text or ""), unescape(part.tail or "")
        for name in _LINKS:
            part.attrib.pop(name, None)
    return math
