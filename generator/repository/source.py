"""The commit that an image and a package are built from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A commit of a repository; ``checkout`` is the branch, tag or commit that was requested.

    ``version`` is that of its packages, if they read it from git; ``parents`` counts the commits before it;
    ``pointers`` are the paths of Git LFS files that could not be fetched, so that their pointers are in their place.
    """

    address: str
    owner: str
    name: str
    checkout: str
    commit: str
    message: str
    time: datetime
    version: str = ""
    parents: int = 1
    pointers: tuple[str, ...] = ()

    @property
    def is_merge(self) -> bool:
        """Whether the commit merges others, or is what a host made of a merge into one commit."""
        merge = r"Merge(d)? (pull request|branch|remote-tracking branch|tag|commit|PR|in|MR)\b"
        return self.parents > 1 or re.match(merge, self.message) is not None

    @property
    def title(self) -> str:
        """The first line of the commit's message."""
        return self.message.partition("\n")[0]

    @property
    def timestamp(self) -> str:
        """The time of the commit in UTC, as ISO 8601 with ``Z``."""
        return self.time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
