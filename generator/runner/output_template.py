"""Which template an executed notebook's path comes from: one given for the run, a stored one by name, the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from generator.shared.failures import BadInputsError

if TYPE_CHECKING:
    from generator.runner.template_store import TemplateStore


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputTemplate:
    """How the executed notebook's path is chosen when no path is given; the first that is there counts."""

    text: str | None = None
    name: str | None = None
    store: TemplateStore | None = None
    args: Mapping[str, str] = field(default_factory=dict)

    def choose(self) -> str | None:
        """The template; None when there is none to use.

        Raises:
            BadInputsError: both are given, or the named one is missing.
        """
        if self.text is not None and self.name is not None:
            raise BadInputsError("either --output-template or --template, not both")
        if self.name is not None and self.store is None:
            raise BadInputsError("--template needs the file of stored templates: --templates or PACKMILL_TEMPLATES")
        if self.text is not None:
            return self.text
        if self.store is None:
            return None
        chosen = self.store.get(self.name) if self.name is not None else self.store.default
        return chosen.content if chosen else None
