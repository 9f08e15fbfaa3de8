"""The walls of builds and steps, as the settings want them: set, checked each time they are needed, removed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from generator.containers.engine import Image, inspect, pull
from generator.containers.firewall import is_rejected, networks_of
from generator.containers.networks import HelperImage, guard_builds, remove_walls, step_network
from generator.environment.dockerfile import base_images, engine_sources
from generator.environment.environment import BuildPack, Environment
from generator.image.base.find import ensure_base_image
from generator.request.settings import Settings
from generator.shared.errors import EnvironmentSpecError

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
        check_dockerfile(folder / environment.folder / "Dockerfile", settings, say)
    guard_builds(settings, helper_image=_helper_image(settings, say))


def check_dockerfile(path: Path, settings: Settings, say: Say) -> None:
    """Refuse what the engine would fetch from the host's network, also for its base images, which are pulled.

    Raises:
        EnvironmentSpecError: naming every line of that kind, or a base image that may not or cannot be pulled.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    _check_sources("Dockerfile", text)
    for reference in base_images(text):
        added = "\n".join(_pull_base_image(reference, settings, say).config.get("OnBuild") or ())
        _check_sources(f"base image {reference}", added)
        for copied in base_images(added):
            _pull_base_image(copied, settings, say)


def _pull_base_image(reference: str, settings: Settings, say: Say) -> Image:
    """The base image of a Dockerfile, pulled if it is missing: what it adds to a build is known from itself alone."""
    if present := inspect(reference):
        return present
    registry, slash, _ = reference.partition("/")
    if slash and (set(".:") & set(registry) or registry == "localhost"):
        allowed = networks_of(settings.network_allow, variable="PACKMILL_NETWORK_ALLOW")
        if is_rejected(registry.rpartition(":")[0] or registry, allowed):
            raise EnvironmentSpecError(
                f"base image {reference}: its registry is unknown or in a private network; allow it by "
                "PACKMILL_NETWORK_ALLOW"
            )
    say(f"pulling {reference}")
    problem = pull(reference)
    image = inspect(reference)
    if image is None:
        raise EnvironmentSpecError(f"base image {reference}: it cannot be pulled: {problem}")
    return image


def _check_sources(where: str, text: str) -> None:
    lines = engine_sources(text)
    if lines:
        raise EnvironmentSpecError(
            f"{where}: the container engine would fetch from the host's network:\n"
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
