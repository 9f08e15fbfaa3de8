"""The environment variables that CWL engines get."""

from __future__ import annotations

from collections.abc import Mapping

_KEPT_VARIABLES = frozenset(
    (
        "PATH HOME TMPDIR LANG LC_ALL LC_CTYPE TZ XDG_RUNTIME_DIR DOCKER_HOST DOCKER_CONFIG DOCKER_CONTEXT "
        "DOCKER_CERT_PATH DOCKER_TLS_VERIFY CONTAINER_HOST SSL_CERT_FILE REQUESTS_CA_BUNDLE HTTP_PROXY HTTPS_PROXY "
        "NO_PROXY http_proxy https_proxy no_proxy PACKMILL_STAGE_GUARD PACKMILL_STAGE_ALLOW"
    ).split()
)
"""Variables for finding programs, the container engine and the network; no token is among them."""


def kept_variables(environment: Mapping[str, str], *, prefixes: tuple[str, ...] = ()) -> dict[str, str]:
    """Select the variables that every CWL engine needs, and those with one of the prefixes."""
    return {
        name: value
        for name, value in environment.items()
        if name in _KEPT_VARIABLES or (prefixes and name.startswith(prefixes))
    }
