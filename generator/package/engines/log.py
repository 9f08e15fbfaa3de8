"""The part of a CWL engine's log that is shown to users."""

from __future__ import annotations

import re

_LONGEST = 4000
"""Characters of a line that decide about it: a container may print a line of a mebibyte."""


class PlainLog:
    """A filter for cwltool's log that keeps the runner's lines and the errors, not command lines."""

    def __init__(self) -> None:
        self._in_command = False
        self._left_out = False

    def pick(self, line: str) -> str | None:
        """Return the line as it is shown; None for a line that is left out."""
        text = line.rstrip()
        if self._in_command or re.match(r"INFO \[job .*\$ ", text):
            self._in_command = text.endswith("\\")
            return None
        if self._left_out and re.match(r"\s{12}", text):  # cwltool folds its own long messages like this
            return None
        self._left_out = not text or _is_noise(text)
        return None if self._left_out else text


def _is_noise(text: str) -> bool:
    """Whether a line is for cwltool's developers, or a warning that does not concern the package.

    The last pattern of cwltool's is about an input and an output of one name, which CWL allows. Docker's is about hosts
    whose kernel does not count swap: the limit on memory applies anyway.
    """
    known = (
        "Skipping Docker software container|exited with status|completed permanentFail|Final process status|"
        "Warning: checking|--preserve-environment|object id .* previously defined"
    )
    docker = "WARNING: Your kernel does not support"
    return re.match(rf"(INFO|DEBUG) |{docker}|WARNING .*({known})", text[:_LONGEST]) is not None
