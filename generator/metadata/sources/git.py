"""The commit that is packaged: its address, its ID, its time, and a version where it has one."""

from __future__ import annotations

from generator.metadata.metadata import Metadata, state
from generator.repository.source import Source

NAME = "git"


def read(source: Source) -> Metadata:
    """Return the metadata of a commit. It states no author: that of one commit need not be the software's."""
    return state(
        NAME,
        version=source.version or source.checkout,
        code_repository=source.address,
        commit_hash=source.commit,
        date_created=source.timestamp[:10],
    )
