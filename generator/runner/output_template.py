"""Choice of the template for an executed notebook's path: the run's, a stored one by name, or the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from generator.shared.failures import BadInputsError

if TYPE_CHECKING:
    from generator.runner.template_store import TemplateStore


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputTemplate:
    """Sources of the template for a run without an output path, in order of precedence."""

    text: str | None = None
    name: str | None = None
    store: TemplateStore | None = None
    args: Mapping[str, str] = field(default_factory=dict)

    def choose(self) -> str | None:
        """Return the template, or None without any.

        Raises:
            BadInputsError: both a text and a name are given, or the named template does not exist.
        """
        if self.text is not None and self.name is not None:
            raise BadInputsError("--output-template and --template: give only one of them")
        if self.name is not None and self.store is None:
            raise BadInputsError("--template: no file of templates; set --templates FILE or PACKMILL_TEMPLATES")
        if self.text is not None:
            return self.text
        if self.store is None:
            return None
        chosen = self.store.get(self.name) if self.name is not None else self.store.default
        return chosen.content if chosen else None
