"""Networks of the engine: packmill's own for steps, the default bridge for builds, each with its wall."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import docker.errors

from generator.containers.engine import is_podman, open_client
from generator.containers.firewall import Execute, Wall, build_wall, networks_of, remove_wall
from generator.request.settings import Settings
from generator.shared.errors import EngineMissingError
from generator.subprocesses.commands import Finished, run

name = "packmill"
_LABEL = "org.packmill.network"
_BRIDGE = "com.docker.network.bridge.name"
_STEPS, _BUILDS = "PACKMILL-STEPS", "PACKMILL-BUILDS"
_ADVICE = "; use Docker, or set PACKMILL_NETWORK=open to continue without a wall"
HelperImage = Callable[[], str]
"""A function that returns the name of a trusted image with ``chroot``; called only if rules cannot be set directly."""


def step_network(settings: Settings, *, helper_image: HelperImage) -> str | None:
    """Return the network for steps with network access, its wall in force; None for the engine's default network.

    Raises:
        EngineMissingError: the network or its wall cannot be created.
        UsageError: PACKMILL_NETWORK_ALLOW or PACKMILL_STAGE_ALLOW names an unknown host.
    """
    if not settings.walled:
        return None
    bridge = _own_bridge()
    allowed = networks_of(settings.network_allow, variable="PACKMILL_NETWORK_ALLOW")
    stores = networks_of(settings.stage_allow, variable="PACKMILL_STAGE_ALLOW")
    wall = Wall(chain=_STEPS, bridge=bridge, allowed=tuple(dict.fromkeys((*allowed, *stores))))
    build_wall(wall, _executor(bridge, helper_image))
    return name


def guard_builds(settings: Settings, *, helper_image: HelperImage) -> None:
    """Put the wall around builds in force, if the settings request it.

    BuildKit inside Docker uses the default bridge only, so the wall is around that bridge and affects every container
    on it.

    Raises:
        EngineMissingError: the wall cannot be created.
        UsageError: PACKMILL_NETWORK_ALLOW names an unknown host.
    """
    if not settings.walled:
        return
    bridge = _own_bridge()
    allowed = networks_of(settings.network_allow, variable="PACKMILL_NETWORK_ALLOW")
    build_wall(Wall(chain=_BUILDS, bridge=_default_bridge(), allowed=allowed), _executor(bridge, helper_image))


def remove_walls(*, helper_image: HelperImage) -> None:
    """Remove packmill's network and all its rules, if present.

    Raises:
        EngineMissingError: no engine answers, or a container still uses the network.
    """
    network = None if is_podman() else _find()
    if network is None:
        return
    execute = _executor(_bridge_of(network), helper_image)
    for chain in (_STEPS, _BUILDS):
        remove_wall(chain, execute)
    with open_client() as client:
        try:
            client.networks.get(network["Id"]).remove()
        except docker.errors.APIError as error:
            raise EngineMissingError(f"network {name!r}: cannot be removed: {error.explanation}") from None


def _own_bridge() -> str:
    """Return the interface of packmill's network, which is created if missing."""
    if is_podman():
        raise EngineMissingError(f"network {name!r}: packmill cannot put a wall around networks of Podman{_ADVICE}")
    network = _find() or _create()
    if _LABEL not in (network.get("Labels") or {}):
        raise EngineMissingError(f"network {name!r}: not created by packmill; rename it, or set PACKMILL_NETWORK=open")
    return _bridge_of(network)


def _find() -> dict[str, Any] | None:
    with open_client() as client:
        try:
            return dict(client.networks.get(name).attrs)
        except docker.errors.NotFound:
            return None


def _create() -> dict[str, Any]:
    # The interface has a random name, so finding it proves that this machine is the engine's.
    options = {_BRIDGE: f"packmill-{secrets.token_hex(3)}", "com.docker.network.bridge.enable_icc": "false"}
    with open_client() as client:
        try:
            network = client.networks.create(
                name, driver="bridge", options=options, labels={_LABEL: "steps"}, check_duplicate=True
            )
        except docker.errors.APIError as error:
            found = _find()  # another process may have created it meanwhile
            if found is None:
                raise EngineMissingError(f"network {name!r}: cannot be created: {error.explanation}{_ADVICE}") from None
            return found
        network.reload()
        return dict(network.attrs)


def _bridge_of(network: dict[str, Any]) -> str:
    return str((network.get("Options") or {}).get(_BRIDGE, ""))


def _default_bridge() -> str:
    with open_client() as client:
        try:
            return _bridge_of(client.networks.get("bridge").attrs) or "docker0"
        except docker.errors.NotFound:
            raise EngineMissingError(f"engine: its default bridge, which builds use, is missing{_ADVICE}") from None


def _executor(bridge: str, helper_image: HelperImage) -> Execute:
    """Choose how to run commands on the engine's machine: directly as its root, otherwise in a container."""
    direct = os.geteuid() == 0 and Path("/sys/class/net", bridge).exists() and _may_change_rules()
    return partial(run, timeout=60) if direct else partial(_in_helper, helper_image())


def _may_change_rules() -> bool:
    return run(("sh", "-c", "PATH=$PATH:/usr/sbin:/sbin iptables -w 10 -S INPUT"), timeout=60).code == 0


def _in_helper(image: str, command: tuple[str, ...]) -> Finished:
    """Run a command in a container with the root folder and the network of the engine's machine."""
    rights = ("--cap-drop=ALL", "--cap-add=NET_ADMIN", "--cap-add=NET_RAW", "--cap-add=SYS_CHROOT")
    options = ("--security-opt=no-new-privileges", "--security-opt=label=disable", "--network=host", "--user=0:0")
    return run(
        ("docker", "run", "--rm", "--pull=never", *rights, *options, "--volume=/:/packmill-host", "--entrypoint=chroot",
         "--", image, "/packmill-host", *command),
        timeout=120,
    )  # fmt: skip
