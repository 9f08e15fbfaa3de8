"""A notebook's own description: the text of its first cell, as HTML that is safe in a page."""

from __future__ import annotations

from functools import lru_cache

import mistune
from markupsafe import Markup

_LONGEST = 2000
"""Characters; the time to read some texts grows with their square."""


class _Renderer(mistune.HTMLRenderer):
    """Headings become paragraphs below the page's own; pictures their text, since pages load none of other servers."""

    def heading(self, text: str, level: int, **_attributes: object) -> str:  # noqa: ARG002 - mistune's interface
        return f"<p><strong>{text}</strong></p>\n"

    def image(self, text: str, url: str, title: str | None = None) -> str:  # noqa: ARG002 - mistune's interface
        return text


_markdown = mistune.create_markdown(renderer=_Renderer(escape=True))


def describe(text: str, title: str) -> Markup:
    """Render a text in Markdown, without its first line if that is the title; HTML in it is shown as text."""
    first, _, rest = text.partition("\n")
    shown = rest if first.lstrip("#").strip() == title else text
    return _render(_shorten(shown.strip()))


def _shorten(text: str) -> str:
    """Return whole paragraphs of a text that is too long."""
    if len(text) <= _LONGEST:
        return text
    paragraphs, separator, _ = text[:_LONGEST].rpartition("\n\n")
    return f"{paragraphs}\n\n…" if separator else f"{text[:_LONGEST]}…"


@lru_cache(maxsize=256)
def _render(text: str) -> Markup:
    try:
        return Markup(_markdown(text))  # noqa: S704 - escaped by the renderer
    except RecursionError:
        return Markup("<p>{}</p>").format(text)
