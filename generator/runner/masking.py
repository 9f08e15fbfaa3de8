"""Secret parameters: given to the kernel, written nowhere.

What papermill injects and records is a placeholder. The real value takes its place in the message to the kernel alone,
and wherever the value comes back in an output it is masked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

mask = "********"
_SHORTEST = 4
"""A shorter secret is not looked for in outputs: masking every 'a' would say more than it hides."""


class Secrets:
    """The secret values of one run, by parameter."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self.literal: Callable[[str], str] = repr

    @property
    def placeholders(self) -> dict[str, str]:
        """What stands in the notebook instead."""
        return {name: f"secret:{name}" for name in self._values}

    def reveal(self, code: str) -> str:
        """The code that the kernel runs; ``literal`` writes a string in the kernel's language."""
        for name, value in self._values.items():
            code = code.replace(self.literal(self.placeholders[name]), self.literal(value))
        return code

    def hide(self, content: Any) -> Any:
        """Texts, lists and mappings with every secret in them masked."""
        if not self._values:
            return content
        if isinstance(content, str):
            for value in sorted(self._values.values(), key=len, reverse=True):
                if len(value) >= _SHORTEST:
                    content = content.replace(value, mask)
            return content
        if isinstance(content, Mapping):
            return {self.hide(key): self.hide(item) for key, item in content.items()}
        if isinstance(content, list):
            return [self.hide(item) for item in content]
        return content
