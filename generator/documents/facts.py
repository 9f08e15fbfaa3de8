"""Everything that the documents of a package are made of."""

from __future__ import annotations

from dataclasses import dataclass

from generator.process.process import Process


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the documents say about where a process comes from and which image runs it."""

    process: Process
    owner: str
    name: str
    checkout: str
    commit: str
    address: str
    message: str
    time: str
    image: str
    staging_image: str = ""
    """The image of the steps around the process."""
    network: bool = False
    output_template: str | None = None
    guard: bool = False
    """Whether staging steps keep to public addresses, apart from those in ``guard_allows``."""
    guard_allows: tuple[str, ...] = ()

    @property
    def identifier(self) -> str:
        """``<owner>.<name>.<checkout>``, as the original system names a process."""
        return f"{self.owner}.{self.name}.{self.checkout}".replace("/", ".")

    @property
    def title(self) -> str:
        """The notebook's heading, else the name of the file."""
        return self.process.title or self.process.name
