"""Progress output on stderr: one line per step, collapsible sections in a GitLab job."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from generator.shared.safe_text import printable


@dataclass(slots=True)
class Progress:
    """Steps, their details and warnings; ``sections`` writes GitLab's collapsible markers around each step."""

    out: TextIO = field(default_factory=lambda: sys.stderr)
    sections: bool = False
    started: float = field(default_factory=time.monotonic)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print a step's title, and wrap the output inside in a collapsible section (https://docs.gitlab.com/ci/jobs/job_logs/)."""
        title = printable(title)
        name = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:40] or "step"
        if self.sections:
            self._write(f"\x1b[0Ksection_start:{int(time.time())}:{name}[collapsed=true]\r\x1b[0K{title}")
        else:
            self._write(f"==> {title}")
        try:
            yield
        finally:
            if self.sections:
                self._write(f"\x1b[0Ksection_end:{int(time.time())}:{name}\r\x1b[0K")

    def say(self, line: str) -> None:
        """Print a detail of the current step."""
        self._write(f"    {printable(line, lines=True)}")

    def warn(self, message: str) -> None:
        """Print a warning."""
        self._write(f"warning: {printable(message, lines=True)}")

    def _write(self, line: str) -> None:
        print(line, file=self.out, flush=True)
