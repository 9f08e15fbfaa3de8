"""Read a SoS cell: Python, in which ``parameter: name = value`` is an assignment too."""

from __future__ import annotations

import re

from generator.notebook.languages import python
from generator.notebook.parameters import Reading


def read(source: str) -> Reading:
    """Read the assignments of a SoS cell."""
    return python.read(re.sub(r"^parameter[ \t]*:[ \t]*(?=\w)", "", source, flags=re.MULTILINE))
