"""The marks in a job's log: sections, colors and other control sequences; and its text without them."""

from __future__ import annotations

import re
from pathlib import Path

SECTION = re.compile(
    r"(?:\x1b\[0K)?section_(start|end):(\d{1,12}):([\w.-]{1,200})(?:\[([^\]\r\n]{0,200})\])?\r(?:\x1b\[0K)?"
)
COLOR = re.compile(r"\x1b\[([0-9;]{0,64})m")
OTHER = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f]")


def plain_text(chunk: bytes) -> str:
    """Return a part of a log without sections, colors and control characters."""
    text = SECTION.sub("", chunk.decode("utf-8", "replace"))
    return OTHER.sub("", COLOR.sub("", text))


def last_bytes(trace: Path, count: int) -> bytes:
    """Return the end of a log, empty if the file is missing."""
    try:
        with trace.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - count))
            return file.read(count)
    except OSError:
        return b""
