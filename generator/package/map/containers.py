"""The containers of a map: each runs rows of the process one after another, see `generator.runner.server.rows`."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from generator.containers.limits import ContainerLimits
from generator.package.map.files import Mounts
from generator.package.map.tool import Tool
from generator.shared import contract
from generator.subprocesses import Conversation, run

_LABEL = "org.packmill.map"
_ROWS = "/packmill/rows"


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerPlan:
    """How the containers of one map start."""

    tool: Tool
    work: Path
    """The folder in which rows leave their results, on the host."""
    limits: ContainerLimits
    network: str | None = None
    variables: tuple[str, ...] = ()
    """Names of variables that containers get."""
    way: str = "auto"
    label: str = ""

    def command(self, mounts: Mounts, *, name: str, memory: float = 1) -> tuple[str, ...]:
        """Return the command that starts a container; ``memory`` multiplies its limit."""
        limits = replace(self.limits, memory=int(self.limits.memory * memory))
        temporary = self.work / f"tmp-{name}"
        temporary.mkdir(mode=0o700)
        network = (f"--network={self.network}",) if self.network else ()
        return (
            *("docker", "run", "--interactive", "--rm", "--init", "--read-only", "--log-driver=none"),
            *(network if self.tool.needs_network else ("--network=none",)),
            f"--user={os.getuid()}:{os.getgid()}",
            f"--mount=type=bind,source={self.work},target={_ROWS}",
            f"--mount=type=bind,source={temporary},target=/tmp",
            *mounts.options(),
            *limits.options(ram=self.tool.ram * memory, cores=self.tool.cores),
            *("--env=HOME=/tmp", "--env=TMPDIR=/tmp", f"--workdir={_ROWS}", f"--label={_LABEL}={self.label}"),
            *(f"--env={variable}" for variable in self.variables),
            *(self.tool.image, "packmill-runner", "rows", *self.tool.arguments),
            *(contract.output_option, _ROWS, "--way", self.way, "--no-progress-bar"),
            *(("--timeout", f"{self.tool.time:g}") if self.tool.time else ()),
        )


class Container:
    """One container: takes rows, and answers them in their order."""

    def __init__(self, plan: ContainerPlan, mounts: Mounts, *, memory: float = 1, log: Path) -> None:
        self.name = secrets.token_hex(4)
        self.waiting: list[Any] = []
        """What was asked and not answered, first in first out."""
        self.is_ready = False
        """Whether the runner has started."""
        self._mounts = mounts
        self._talk = Conversation(plan.command(mounts, name=self.name, memory=memory), log=log)

    def fileno(self) -> int:
        """Return the descriptor that is readable when an answer has come, or the container has ended."""
        return self._talk.fileno()

    def ask(self, row: Any, folder: str, values: Mapping[str, Any]) -> None:
        """Ask for a row; its results will be in ``folder``."""
        self.waiting.append(row)
        self._talk.write(json.dumps({"row": folder, "inputs": self._mounts.inside(dict(values))}).encode() + b"\n")

    def answers(self) -> list[dict[str, Any]] | None:
        """Return the answers that have come; None after the container has ended."""
        lines = self._talk.read()
        if lines is None:
            return None
        answers = [answer for answer in map(_parse, lines) if answer]
        self.is_ready = self.is_ready or bool(answers)
        return [answer for answer in answers if "row" in answer]

    def close(self) -> None:
        """Ask for no more: the container ends after what it was asked."""
        self._talk.close()

    def end(self) -> int:
        """Wait for the container's end; return the exit code of ``docker run``."""
        return self._talk.end()


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def remove_containers(label: str, say: Callable[[str], None]) -> None:
    """Remove the containers of a map: those that an interrupted one left."""
    found = run(("docker", "ps", "--all", "--quiet", "--filter", f"label={_LABEL}={label}"), timeout=60)
    if left := found.stdout.split():
        removed = run(("docker", "rm", "--force", "--volumes", *left), timeout=120)
        if removed.code != 0 and "No such container" not in removed.stderr:
            say(f"containers of an earlier map cannot be removed: {removed.stderr.strip()}")
