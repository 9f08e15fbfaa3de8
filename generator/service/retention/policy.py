"""The operator's limits on what the service stores."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """Limits; without them, the service removes expired artifacts alone.

    ``quota`` are bytes of the data folder, ``image_quota`` bytes of packmill's images in the engine. ``older_than`` is
    the age in seconds at which ended pipelines and unused images go. Images, and what is older, are looked at at the
    times of ``schedule``, a cron expression in UTC.
    """

    quota: int | None = None
    image_quota: int | None = None
    older_than: float | None = None
    schedule: str = "0 3 * * *"

    @property
    def is_scheduled(self) -> bool:
        """Whether anything happens at the times of ``schedule``."""
        return self.older_than is not None or self.image_quota is not None
