"""The firewall around builds and steps that the settings request: set up, checked before each use, and removed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from generator.containers.engine import Image, architecture, inspect, pull
from generator.containers.firewall import is_rejected, networks_of
from generator.containers.networks import HelperImage, guard_builds, remove_walls, step_network
from generator.containers.unreachable import explain_pull
from generator.environment.dockerfile import base_images, engine_sources, flagged_platforms
from generator.environment.environment import BuildPack, Environment
from generator.image.base import debian
from generator.image.base.find import ensure_base_image
from generator.repository.checkout import read_bytes
from generator.request.settings import Settings
from generator.shared.errors import EnvironmentSpecError

Say = Callable[[str], None]


def network_for_steps(settings: Settings, say: Say) -> str | None:
    """Return the network for steps, with its wall in force; None for the engine's default network.

    Raises:
        EngineMissingError: the network or its wall cannot be created.
        UsageError: PACKMILL_NETWORK_ALLOW or PACKMILL_STAGE_ALLOW names an unknown host.
    """
    return step_network(settings, helper_image=_helper_image(settings, say))


def ensure_build_wall(
    settings: Settings, environment: Environment, folder: Path, say: Say, *, base_image: str | None = None
) -> None:
    """Put the wall around builds in force, and refuse a Dockerfile or a ``base_image`` of a package that bypasses it.

    Raises:
        EngineMissingError: the wall cannot be created.
        UsageError: PACKMILL_NETWORK_ALLOW names an unknown host.
        EnvironmentSpecError: the engine itself would fetch an address in the Dockerfile, or for the base image.
    """
    if not settings.walled:
        return
    if environment.buildpack is BuildPack.DOCKERFILE:
        check_dockerfile(folder / environment.folder / "Dockerfile", settings, say)
    elif base_image and all(base_image != release.reference for release in debian.releases):
        _check_base_image(base_image, settings, say)
    guard_builds(settings, helper_image=_helper_image(settings, say))


def check_dockerfile(path: Path, settings: Settings, say: Say) -> None:
    """Refuse a Dockerfile for which the engine would fetch from the host's network; pull its base images to check them.

    Raises:
        EnvironmentSpecError: a line or a base image's ONBUILD fetches an address, a base image must not or cannot be
            pulled, or is of another platform; the message lists each line.
    """
    text = read_bytes(path, path.name, EnvironmentSpecError).decode("utf-8", "replace")
    _check_sources("Dockerfile", text)
    _check_platforms(text)
    for reference in base_images(text):
        _check_base_image(reference, settings, say)


def _check_platforms(text: str) -> None:
    """Refuse base images of another platform than the engine's: these images are pulled and checked for that alone."""
    if lines := flagged_platforms(text):
        own = f"linux/{architecture()}"
        others = [line for line, platform in lines.items() if platform != own]
        if others:
            raise EnvironmentSpecError(
                f"Dockerfile: a base image may be of another platform than {own}:\n"
                + "\n".join(f"  {line}" for line in others)
                + f"\n  leave out the flags of FROM, or give --platform={own}"
            )


def _check_base_image(reference: str, settings: Settings, say: Say) -> None:
    """Check the ONBUILD steps of a base image, which is pulled for that."""
    added = "\n".join(_pull_base_image(reference, settings, say).config.get("OnBuild") or ())
    _check_sources(f"base image {reference}", added)
    for copied in base_images(added):
        _pull_base_image(copied, settings, say)


def _pull_base_image(reference: str, settings: Settings, say: Say) -> Image:
    """Return the base image of a Dockerfile, pulled if missing: its ONBUILD steps are known only from the image."""
    if present := inspect(reference):
        return present
    registry, slash, _ = reference.partition("/")
    if slash and (set(".:") & set(registry) or registry == "localhost"):
        allowed = networks_of(settings.network_allow, variable="PACKMILL_NETWORK_ALLOW")
        if is_rejected(registry.rpartition(":")[0] or registry, allowed):
            raise EnvironmentSpecError(
                f"base image {reference}: its registry is unknown or in a private network; allow it with "
                "PACKMILL_NETWORK_ALLOW"
            )
    say(f"pulling {reference}")
    problem = pull(reference)
    image = inspect(reference)
    if image is None:
        explanation = explain_pull(reference, [problem])
        cause = f"{explanation}\n  {problem}" if explanation else f"base image {reference}: cannot be pulled: {problem}"
        raise EnvironmentSpecError(cause)
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
    """Set up both walls if the settings request them; remove them if ``PACKMILL_NETWORK=open``.

    Raises:
        EngineMissingError: the walls cannot be set up or removed.
        UsageError: PACKMILL_NETWORK_ALLOW or PACKMILL_STAGE_ALLOW names an unknown host.
    """
    if settings.walled:
        helper_image = _helper_image(settings, say)
        network = step_network(settings, helper_image=helper_image)
        guard_builds(settings, helper_image=helper_image)
        say(f"steps use the network {network}; neither steps nor builds can reach private networks")
    elif settings.network == "open":
        remove_walls(helper_image=_helper_image(settings, say))
        say("builds and steps can reach private networks")


def _helper_image(settings: Settings, say: Say) -> HelperImage:
    return partial(ensure_base_image, settings.base_image, say=say)
