"""The lanes of the job queue: a job waits with the others of its token and repository."""

from __future__ import annotations

from generator.shared.safe_text import redacted

_LONGEST = 255


def lane_of(token: int, repository: str) -> str:
    """Return the lane of a token's jobs for a repository, which may be any text of a client."""
    return f"{token} {redacted(repository)}"[:_LONGEST]


def token_of(lane: str) -> str:
    """Return what the lanes of one token have in common."""
    return lane.partition(" ")[0]
