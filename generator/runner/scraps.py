"""Scrapbook's results in an executed notebook, read from its outputs (scrapbook 0.5.0; papermill's older records)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

_SCRAP = "application/scrapbook.scrap."
_RECORD = "application/papermill.record+json"


def read_scraps(cells: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Every data scrap by name, in the order of the cells; a later scrap of a name replaces an earlier one."""
    scraps: dict[str, Any] = {}
    for cell in cells:
        for output in cell.get("outputs", ()):
            for kind, content in (output.get("data") or {}).items():
                if kind.startswith(_SCRAP) and kind.endswith("+json") and isinstance(content, Mapping):
                    if "name" in content:
                        scraps[str(content["name"])] = _decoded(content)
                elif kind == _RECORD and isinstance(content, Mapping):
                    scraps.update({str(name): value for name, value in content.items()})
    return scraps


def _decoded(content: Mapping[str, Any]) -> Any:
    """JSON that was glued as text is data again."""
    data = content.get("data")
    if content.get("encoder") == "json" and isinstance(data, str):
        try:
            return json.loads(data)
        except ValueError:
            return data
    return data
