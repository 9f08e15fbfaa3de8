"""The license files at the repository's top, such as ``LICENSE``, ``COPYING`` or ``LICENSE-MIT``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from generator.metadata.licenses import license_of_text
from generator.metadata.metadata import Metadata, state

NAME = re.compile(r"(?i)((un)?licen[cs]e|copying)([-_.][\w-]+)?(\.(txt|md|rst))?")


def read(texts: Iterable[tuple[str, str]]) -> tuple[Metadata, str]:
    """Return the license that the files, each a name and a text, state, or why it is unknown; empty without files."""
    found = {name: license_of_text(text) for name, text in texts}
    if not found:
        return Metadata(), ""
    licenses = sorted(set(filter(None, found.values())))
    source = ", ".join(sorted(found))
    if len(licenses) == 1 and all(found.values()):
        return state(source, license=licenses[0]), ""
    known = f"several licenses ({', '.join(licenses)})" if len(licenses) > 1 else "not the text of a well-known license"
    return Metadata(), f"{source}: {known}, so that the license is unknown; state its SPDX expression elsewhere"
