"""Secret parameters: given to the kernel, written nowhere.

What papermill injects and records is a placeholder. The real value takes its place in the message to the kernel alone,
and wherever the value comes back in an output it is masked: as it is, and in the forms that programs print it in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

mask = "********"
_SHORTEST = 4
"""A shorter secret is not looked for in outputs: masking every 'a' would say more than it hides."""
_SHORTEST_PART = 8
"""Lines of a secret, and names that it takes the place of, are masked from this length on."""


class Secrets:
    """The secret values of one run, by parameter; a value that is None is no secret."""

    def __init__(self, values: Mapping[str, Any], *, beside: Mapping[str, Any] | None = None) -> None:
        """``beside`` are the other parameters, from whose values the placeholders differ."""
        self._values = {name: str(value) for name, value in values.items() if value is not None}
        self.literal: Callable[[str], str] = repr
        taken = {value for value in (beside or {}).values() if isinstance(value, str)} | set(self._values.values())
        self.placeholders = {name: _free(f"secret: {name}", taken) for name in self._values}
        """What stands in the notebook instead; a space makes every language quote it."""
        long_enough = [value for value in self._values.values() if len(value) >= _SHORTEST]
        forms = {form for value in long_enough for form in _forms(value) if len(form) >= _SHORTEST}
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._whole = set(long_enough)

    def reveal(self, code: str) -> str:
        """The injected cell as the kernel runs it, every placeholder replaced once."""
        if not self._values:
            return code
        literals = {self.literal(self.placeholders[name]): self.literal(value) for name, value in self._values.items()}
        pattern = "|".join(map(re.escape, sorted(literals, key=len, reverse=True)))
        return re.sub(pattern, lambda match: literals[match[0]], code)

    def hide(self, text: str) -> str:
        """Text with every secret in it masked."""
        return self._pattern.sub(mask, text) if self._pattern else text

    def hide_data(self, content: Any) -> Any:
        """Texts, numbers, lists and mappings of someone's data, masked; short names of mappings stay as they are."""
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
        """A message or an output of a cell: what it carries is masked, what it is made of is not."""
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
        """A mime bundle, whose names are kinds."""
        if not isinstance(bundle, Mapping):
            return self.hide_data(bundle)
        return {kind: self.hide_data(item) for kind, item in bundle.items()}


def _free(word: str, taken: set[str]) -> str:
    while word in taken:
        word += "_"
    return word


def _forms(value: str) -> Iterator[str]:
    """The value as programs print it: plain, quoted by Python, JSON, HTML, in addresses, in base64, line by line."""
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
