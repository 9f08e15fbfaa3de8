"""Select the variables of the service's environment that jobs inherit.

All others are withheld, since they may hold tokens that the operator has for other purposes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_NAMES = r"""
    PATH LANG LANGUAGE TZ TERM USER LOGNAME SHELL XDG_RUNTIME_DIR PYTHON
    SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS GIT_SSL_CAINFO GIT_SSL_CAPATH
    GIT_CONFIG_GLOBAL GIT_SSH GIT_SSH_COMMAND SSH_AUTH_SOCK CONTAINER_HOST
    PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE PYTHONUTF8
    LC_[A-Z]+ PACKMILL_\w+ PIP_\w+ UV_(?!PUBLISH_)\w+ DOCKER_\w+ BUILDX_\w+ BUILDKIT_\w+ CONTAINERS_\w+
    (?:https?|ftp|all|no)_proxy (?:HTTPS?|FTP|ALL|NO)_PROXY
""".split()
_INHERITED = re.compile("|".join(_NAMES))


def inherited_variables(environment: Mapping[str, str], more: Iterable[str] = ()) -> dict[str, str]:
    """Return the variables that jobs inherit; ``more`` names those that the operator adds."""
    added = set(more)
    return {name: value for name, value in environment.items() if name in added or _INHERITED.fullmatch(name)}
