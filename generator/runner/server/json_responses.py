"""JSON responses for values that notebooks and file systems make."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from generator.shared.json_text import json_text


class JsonResponse(JSONResponse):
    """A JSON response in which what JSON or UTF-8 lacks is written otherwise: NaN as null, half characters escaped."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        try:
            return super().render(content)
        except ValueError:  # also UnicodeEncodeError: a file name that is not UTF-8, or a text with half a character
            return json_text(content)
