"""Logins for registries; only ``--push`` and private images need one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from generator.machine.finding import Finding, State
from generator.shared.safe_text import printable


def check(environment: Mapping[str, str]) -> Iterator[Finding]:
    """List the registries with a login of ``docker login``, without the credentials."""
    hosts = sorted(_logged_in(environment))
    if environment.get("PACKMILL_REGISTRY_USER"):
        hosts.append(f"PACKMILL_REGISTRY_USER for {environment.get('PACKMILL_REGISTRY_HOST') or 'any registry'}")
    if hosts:
        yield Finding(name="registry login", state=State.OK, detail=printable(", ".join(hosts)))
        return
    detail = "none: 'packmill build --push' needs one, unless the registry takes images from anyone"
    yield Finding(name="registry login", state=State.OPTIONAL, detail=detail, fix="docker login REGISTRY")


def _logged_in(environment: Mapping[str, str]) -> set[str]:
    home = environment.get("HOME", "")
    folder = environment.get("DOCKER_CONFIG") or (f"{home}/.docker" if home else "")
    try:
        config = json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    parts = [config.get(key) for key in ("auths", "credHelpers")] if isinstance(config, dict) else []
    return {str(host) for part in parts if isinstance(part, dict) for host in part}
