"""Whether the container engine answers the docker command, which CWL engines and maps start containers with.

Asked after a failure alone: a run needs no further command. The Docker SDK would take longer to import than to ask.
"""

from __future__ import annotations

from generator.shared.errors import EngineMissingError
from generator.subprocesses.commands import run

_OTHER_RUNTIMES = frozenset(("--podman", "--singularity", "--udocker", "--user-space-docker-cmd", "--no-container"))
"""Options of cwltool with which the docker command is not the one that starts containers."""


def uses_docker(options: tuple[str, ...]) -> bool:
    """Return whether cwltool with these options starts containers with the docker command."""
    return not {option.partition("=")[0] for option in options} & _OTHER_RUNTIMES


def not_installed(program: str) -> EngineMissingError:
    """Return the error for an engine's command that is missing."""
    return EngineMissingError(f"{program}: not installed; install it, or let packmill do so: packmill setup")


def require_engine() -> None:
    """Ask the container engine of the docker command for an answer.

    Raises:
        EngineMissingError: the engine does not answer, or the command is not installed.
    """
    asked = run(("docker", "ps", "--quiet"), timeout=60)
    if asked.code == 127:
        raise not_installed("docker")
    if asked.code != 0:
        reason = (asked.stderr.strip().splitlines() or [f"docker ps ended with exit code {asked.code}"])[-1]
        advice = "start Docker and try again, or let packmill set it up: packmill setup"
        raise EngineMissingError(f"no container engine answers: {advice}\n  {reason}")
