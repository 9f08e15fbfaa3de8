"""Calysto Scheme, which has Python's functions, and not R7RS's infinite numbers."""

from __future__ import annotations

from generator.runner.document.translators.scheme import Scheme


class _CalystoScheme(Scheme):
    def not_finite(self, value: float) -> str:
        return f'(float "{value}")'


translator = _CalystoScheme()
