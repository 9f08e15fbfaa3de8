"""Executed notebooks as HTML pages, by nbconvert: with formulas as MathML, and dark for readers who prefer it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from generator.shared import formulas


class PageExporter(HTMLExporter):  # type: ignore[misc, unused-ignore]
    """nbconvert's exporter, which leaves formulas to MathJax and another host, with formulas typeset."""

    def __init__(self, **options: Any) -> None:
        super().__init__(mathjax_url="", **options)
        self._typesetter = formulas.Typesetter()

    @jinja2.pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """Convert Markdown as nbconvert does, and typeset its formulas."""
        renderer = _Renderer(
            self._typesetter,
            escape=False,
            attachments=context.get("cell", {}).get("attachments", {}),
            embed_images=self.embed_images,
            path=context.get("resources", {}).get("metadata", {}).get("path", ""),
            anchor_link_text=self.anchor_link_text,
            exclude_anchor_links=self.exclude_anchor_links,
            **getattr(self, "lexer_options", {}),
        )
        return str(MarkdownWithMath(renderer=renderer).render(source))

    def page(self, notebook: Any) -> str:
        """Return the page of a notebook (nbformat 4), whose LaTeX outputs become HTML."""
        outputs = [output.get("data") or {} for cell in notebook.cells for output in cell.get("outputs", ())]
        for data in outputs:
            _typeset_output(data, self._typesetter)
        if not any(map(_has_script, outputs)):
            self.require_js_url = self.jquery_url = ""  # of other hosts
        body: str = self.from_notebook_node(notebook)[0]
        head, end, rest = body.partition("</head>")
        return f"{head}<style>{formulas.style}</style>{_dark_style(self.template_paths)}{end}{rest}"


class _Renderer(IPythonRenderer):  # type: ignore[misc, unused-ignore]
    def __init__(self, typesetter: formulas.Typesetter, **options: Any) -> None:
        super().__init__(**options)
        self._typesetter = typesetter

    def inline_math(self, body: str) -> str:
        return self._typesetter.formula(body, is_block=False) or str(super().inline_math(body))

    def block_math(self, body: str) -> str:
        return self._typesetter.formula(body, is_block=True) or str(super().block_math(body))

    def latex_environment(self, name: str, body: str) -> str:
        whole = f"\\begin{{{name}}}{body}\\end{{{name}}}"
        return self._typesetter.formula(whole, is_block=True) or str(super().latex_environment(name, body))


def _typeset_output(data: dict[str, Any], typesetter: formulas.Typesetter) -> None:
    """Add the HTML of a LaTeX output that has no other form which nbconvert prefers."""
    if "text/latex" in data and not _PREFERRED & data.keys():
        data["text/html"] = f"<div>{typesetter.text(str(data['text/latex']))}</div>"


_PREFERRED = frozenset({"text/html", "text/markdown", "image/svg+xml"})


def _has_script(data: Mapping[str, Any]) -> bool:
    return "application/javascript" in data or "<script" in str(data.get("text/html", "")).lower()


def _dark_style(templates: list[str]) -> str:
    """Return nbconvert's dark theme for readers who prefer it; pictures stay on white."""
    files = (Path(folder) / "static" / "theme-dark.css" for folder in templates)
    theme = next((file for file in files if file.is_file()), None)
    if theme is None:
        return ""
    pictures = ".jp-OutputArea-output :is(img, svg) { background: #fff; }"
    return f"<style>@media (prefers-color-scheme: dark) {{ {theme.read_text(encoding='utf-8')} {pictures} }}</style>"
