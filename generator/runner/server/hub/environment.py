"""The variables that JupyterHub gives to its services; their values never reach a notebook."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from generator.runner.server.operation.base_path import read_base_url
from generator.runner.server.variables import overwrite_values
from generator.shared.failures import BadInputsError

variable_prefix = "JUPYTERHUB_"
_NEEDED = ("API_URL", "API_TOKEN", "SERVICE_PREFIX", "SERVICE_URL", "CLIENT_ID")
kept = (
    *("PATH", "PYTHONPATH", "CONDA_ROOT", "CONDA_DEFAULT_ENV", "VIRTUAL_ENV"),
    *("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "JUPYTER_PATH"),
)
"""Variables of the service that users' servers get, as JupyterHub's spawners have them, and few more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HubEnvironment:
    """The service's place in a hub."""

    api_url: str
    api_token: str
    base_url: str
    """The path of the service without a slash at its end, such as ``/services/packmill``."""
    host: str
    port: int
    managed: bool
    """Whether the hub started the service, which then ends with it."""


def take_environment() -> HubEnvironment:
    """Read the variables of JupyterHub, and hide all that users' servers do not get from the system user's processes.

    Raises:
        BadInputsError: a variable is missing or has no usable value.
    """
    found = read_environment(os.environ)
    overwrite_values(os.environ.keys() - set(kept))
    return found


def read_environment(variables: Mapping[str, str]) -> HubEnvironment:
    """Read the variables of JupyterHub.

    Raises:
        BadInputsError: a variable is missing or has no usable value.
    """
    values = {name: variables.get(variable_prefix + name, "") for name in _NEEDED}
    if missing := [variable_prefix + name for name, value in values.items() if not value]:
        raise BadInputsError(
            f"hub: {', '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing; JupyterHub starts this "
            "command as a service, see docs/serving.md"
        )
    host, port = _listening_address(values["SERVICE_URL"])
    return HubEnvironment(
        api_url=values["API_URL"].rstrip("/"),
        api_token=values["API_TOKEN"],
        base_url=read_base_url(values["SERVICE_PREFIX"]),
        host=host,
        port=port,
        managed=bool(variables.get(f"{variable_prefix}SERVICE_NAME")),
    )


def _listening_address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme != "http":
        raise BadInputsError(
            f"{variable_prefix}SERVICE_URL {url!r}: write it as http://127.0.0.1:10101 in the hub's services"
        )
    return host, port
