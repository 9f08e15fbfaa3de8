"""The walls of builds and steps, as the settings want them: set, checked each time they are needed, removed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from generator.environment import BuildPack, Environment
from generator.environment.dockerfile import engine_sources
from generator.errors import EnvironmentSpecError
from generator.request import Settings
from generator.setup.base_image import ensure_base_image
from generator.tools.networks import HelperImage, guard_builds, remove_walls, step_network

Say = Callable[[str], None]


def network_for_steps(settings: Settings, say: Say) -> str | None:
    """Give the engine's network that steps use, with its wall in force; None for the engine's default.

    Raises:
        EngineMissingError, UsageError: it cannot be made; see `step_network`.
    """
    return step_network(settings, helper_image=_helper_image(settings, say))


def ensure_build_wall(settings: Settings, environment: Environment, folder: Path, say: Say) -> None:
    """Put the wall of builds in force and refuse a Dockerfile that gets around it.

    Raises:
        EngineMissingError, UsageError: the wall cannot be made; see `guard_builds`.
        EnvironmentSpecError: the engine itself would fetch what the Dockerfile names.
    """
    if not settings.walled:
        return
    if environment.buildpack is BuildPack.DOCKERFILE:
        check_dockerfile(folder / environment.folder / "Dockerfile")
    guard_builds(settings, helper_image=_helper_image(settings, say))


def check_dockerfile(path: Path) -> None:
    """Refuse what the engine would fetch from the host's network.

    Raises:
        EnvironmentSpecError: naming every line of that kind.
    """
    lines = engine_sources(path.read_text(encoding="utf-8", errors="replace"))
    if lines:
        raise EnvironmentSpecError(
            "Dockerfile: the container engine would fetch from the host's network:\n"
            + "\n".join(f"  {line}" for line in lines)
            + "\n  use COPY for files of the repository and RUN with curl or git for addresses; leave out a syntax line"
        )


def set_walls(settings: Settings, say: Say) -> None:
    """Set both walls where they are wanted; remove them where ``PACKMILL_NETWORK=open`` asks for that.

    Raises:
        EngineMissingError, UsageError: they cannot be set or removed.
    """
    if settings.walled:
        helper_image = _helper_image(settings, say)
        network = step_network(settings, helper_image=helper_image)
        guard_builds(settings, helper_image=helper_image)
        say(f"steps use the network {network}; neither they nor builds reach private networks")
    elif settings.network == "open":
        remove_walls(helper_image=_helper_image(settings, say))
        say("builds and steps may reach private networks")


def _helper_image(settings: Settings, say: Say) -> HelperImage:
    return partial(ensure_base_image, settings.base_image, say=say)
