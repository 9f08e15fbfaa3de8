"""Toil's leader: the process that submits the jobs of a wave, and waits for them."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field

from generator.package.engines.toil import environment, split_job_store, toil_python
from generator.package.map.toil.plan import ToilPlan
from generator.package.map.toil.waves import Wave
from generator.subprocesses.streams import stream

_SHOWN = 3
"""Lines of the leader's log that a message has."""


@dataclass(slots=True)
class Leader:
    """One start of a leader."""

    plan: ToilPlan
    wave: Wave
    restart: bool = False
    """Whether it continues from the job store that a leader left."""
    _last: deque[str] = field(default_factory=lambda: deque(maxlen=_SHOWN))

    def command(self) -> tuple[str, ...]:
        """Return the command; the user's options come last, because the last of two counts."""
        options, job_store = split_job_store(self.plan.options)
        logs = self.wave.folder / "logs"
        return (
            *(str(toil_python()), str(self.wave.program), str(self.wave.folder)),
            *("--batchSystem", self.plan.batch_system, "--batchLogsDir", str(logs), "--disableProgress"),
            *(("--maxJobs", str(self.plan.parallel)) if self.plan.parallel else ()),
            *(("--restart",) if self.restart else ()),
            *options,
            job_store or str(self.wave.job_store),
        )

    def run(self) -> int:
        """Run the leader to its end; return its exit code."""
        (self.wave.folder / "logs").mkdir(exist_ok=True)
        with self.wave.log.open("a", encoding="utf-8") as log:

            def note(line: str) -> None:
                log.write(f"{line}\n")
                log.flush()
                if line.strip():
                    self._last.append(line.strip())

            return stream(self.command(), on_line=note, environment=environment(os.environ), alone=True)

    def last_words(self) -> str:
        """Return why no row could run: what a job reports, or the end of the leader's log."""
        return self.wave.problem() or "\n".join(self._last)
