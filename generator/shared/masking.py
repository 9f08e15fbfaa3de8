"""Secret parameters: sent to the kernel, never written to a file.

papermill injects and records a placeholder. Only the message to the kernel has the real value. Outputs that repeat the
value are masked: the value itself, and the forms in which programs print it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

mask = "********"
_SHORTEST = 4
"""The minimum length of secrets that are masked in outputs: masking every 'a' would reveal more than it hides."""
_SHORTEST_PART = 8
"""The minimum length of single lines of a secret, and of keys that contain one, to be masked."""


class Secrets:
    """The secret values of one run, by parameter; None is not secret."""

    def __init__(self, values: Mapping[str, Any], *, others: Mapping[str, Any] | None = None) -> None:
        """Choose placeholders that differ from the values of the ``others``, the parameters that are not secret."""
        self._values = {name: str(value) for name, value in values.items() if value is not None}
        self.literal: Callable[[str], str] = repr
        taken = {value for value in (others or {}).values() if isinstance(value, str)} | set(self._values.values())
        self.placeholders = {name: _choose_unused(f"secret: {name}", taken) for name in self._values}
        """The values in the notebook; the space makes every language quote them."""
        long_enough = [value for value in self._values.values() if len(value) >= _SHORTEST]
        forms = {form for value in long_enough for form in _list_printed_forms(value) if len(form) >= _SHORTEST}
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._whole = set(long_enough)

    def reveal(self, code: str) -> str:
        """Replace the placeholders in the injected cell with the values, for the kernel."""
        if not self._values:
            return code
        literals = {self.literal(self.placeholders[name]): self.literal(value) for name, value in self._values.items()}
        pattern = "|".join(map(re.escape, sorted(literals, key=len, reverse=True)))
        return re.sub(pattern, lambda match: literals[match[0]], code)

    def hide(self, text: str) -> str:
        """Mask every secret in a text."""
        return self._pattern.sub(mask, text) if self._pattern else text

    def hide_data(self, content: Any) -> Any:
        """Mask secrets in texts, numbers, lists and mappings; short keys of mappings are kept."""
        if self._pattern is None:
            return content
        if isinstance(content, str):
            return self.hide(content)
        if isinstance(content, int | float) and not isinstance(content, bool):
            return mask if str(content) in self._whole else content
        if isinstance(content, Mapping):
            return {self._hide_key(key): self.hide_data(item) for key, item in content.items()}
        if isinstance(content, list):
            return [self.hide_data(item) for item in content]
        return content

    def _hide_key(self, key: Any) -> Any:
        return self.hide(key) if isinstance(key, str) and len(key) >= _SHORTEST_PART else key

    def hide_content(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Mask secrets in a kernel message or a cell's output, but not in its structure."""
        if self._pattern is None:
            return dict(content)
        hidden = dict(content)
        for key in ("text", "ename", "evalue", "traceback"):
            if key in hidden:
                hidden[key] = self.hide_data(hidden[key])
        for key in ("data", "metadata"):
            if key in hidden:
                hidden[key] = self._hide_bundle(hidden[key])
        return hidden

    def _hide_bundle(self, bundle: Any) -> Any:
        """Mask the values of a MIME bundle, whose keys are media types."""
        if not isinstance(bundle, Mapping):
            return self.hide_data(bundle)
        return {kind: self.hide_data(item) for kind, item in bundle.items()}


def _choose_unused(word: str, taken: set[str]) -> str:
    while word in taken:
        word += "_"
    return word


def _list_printed_forms(value: str) -> Iterator[str]:
    """Return the forms in which programs print a value: plain, as Python, JSON or HTML, in URLs, in base64, by line."""
    import base64
    from html import escape
    from urllib.parse import quote, quote_plus

    yield value
    yield repr(value)[1:-1]
    yield ascii(value)[1:-1]
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield escape(value)
    yield escape(value, quote=False)
    raw = value.encode("utf-8", "surrogatepass")
    yield quote(raw)
    yield quote(raw, safe="")
    yield quote_plus(raw)
    yield base64.b64encode(raw).decode().rstrip("=")
    yield base64.urlsafe_b64encode(raw).decode().rstrip("=")
    yield from (line.strip() for line in value.splitlines() if len(line.strip()) >= _SHORTEST_PART)
