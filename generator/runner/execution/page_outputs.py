"""Outputs in the form that an HTML page can show: figures of plotly, JSON, other pictures; a note for the rest."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SHOWN = {
    "application/javascript",
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "text/vnd.mermaid",
    "text/latex",
    "image/png",
    "image/jpeg",
}
"""What nbconvert puts into a page; it also shows text/plain, and widgets whose state is in the notebook."""
_PICTURES = ("image/gif", "image/webp", "image/bmp", "image/avif")
_JSON = ("application/json", "application/geo+json")
_PLOTLY = "application/vnd.plotly.v1+json"
_WIDGET = "application/vnd.jupyter.widget-view+json"
_WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
_DATA = ("application/scrapbook.scrap.", "application/papermill.record")
"""Glued values, which are for programs."""
_NOTE = "A page cannot show this output ({}); the executed notebook has it."
_FIGURE = """<div id="{name}" style="min-height: 450px"></div>
<script type="text/javascript">Plotly.newPlot("{name}", {figure});</script>"""


@dataclass(slots=True)
class PageOutputs:
    """Changes the outputs of a notebook for its page, and notes which ones the page cannot show."""

    program: Path | None
    """plotly.js of the notebook's environment."""
    figures: int = 0
    missing: list[str] = field(default_factory=list)

    def change(self, nb: Any) -> None:
        """Change the outputs of a notebook (nbformat 4), which is for the page only."""
        state = nb.metadata.get("widgets", {}).get(_WIDGET_STATE, {}).get("state", {})
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs = [output for output in cell.outputs if not _is_data_only(output)]
                for output in cell.outputs:
                    if "data" in output:
                        self._change(output.data, state)

    def _change(self, data: dict[str, Any], widgets: Mapping[str, Any]) -> None:
        shows_widget = _WIDGET in data and data[_WIDGET].get("model_id") in widgets
        if shows_widget or not _SHOWN.isdisjoint(data):
            return
        text = data.get("text/plain", "")
        picture = next((kind for kind in _PICTURES if kind in data), None)
        document = next((kind for kind in _JSON if kind in data), None)
        if _PLOTLY in data and self.program:
            data["text/html"] = self._figure(data[_PLOTLY])
        elif picture:
            data["text/html"] = f'<img alt="" src="data:{picture};base64,{html.escape(str(data[picture]))}">'
        elif document:
            data["text/html"] = _preformatted(json.dumps(data[document], indent=1, ensure_ascii=False))
        elif unknown := sorted(kind for kind in data if kind != "text/plain"):
            self.missing += unknown
            note = f"<p><em>{html.escape(_NOTE.format(', '.join(unknown)))}</em></p>"
            data["text/html"] = (_preformatted(text) if text else "") + note

    def _figure(self, figure: Any) -> str:
        self.figures += 1
        text = json.dumps(figure).replace("<", "\\u003c")  # no end of the script, and no comment
        return _FIGURE.format(name=f"packmill-plotly-{self.figures}", figure=text)

    def script(self) -> str:
        """Return plotly.js for the page, empty if no figure needs it; a loader of modules does not take it."""
        if not self.figures or self.program is None:
            return ""
        source = self.program.read_text(encoding="utf-8")
        return f"<script>(function (module, exports, define) {{\n{source}\n}}).call(window);</script>\n"


def _is_data_only(output: Mapping[str, Any]) -> bool:
    data = output.get("data") or {}
    return bool(data) and all(kind.startswith(_DATA) for kind in data)


def _preformatted(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>"


def find_plotly(program: str) -> Path | None:
    """Find plotly.js, which plotly's Python package contains, in the environment of a kernel's program."""
    prefix = Path(program).parent.parent
    with suppress(OSError, RuntimeError):  # folders that the user may not enter, and no home
        for folder in _list_packages((prefix, Path("/usr/local"), Path.home() / ".local")):
            path = folder / "plotly/package_data/plotly.min.js"
            if path.is_file():
                return path
    return None


def _list_packages(prefixes: Iterable[Path]) -> Iterable[Path]:
    for prefix in prefixes:
        for pattern in ("lib/python3*/site-packages", "lib/python3*/dist-packages"):
            yield from sorted(prefix.glob(pattern))
