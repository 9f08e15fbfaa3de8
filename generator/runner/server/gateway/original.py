"""The options and variables of the Jupyter Kernel Gateway: each is taken, has no effect here, or is refused.

``--KernelGatewayApp.auth_token=X`` is ``--auth-token X`` of ``packmill-runner gateway``, and so is ``KG_AUTH_TOKEN=X``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from generator.runner.server.gateway.modes import only_websocket
from generator.runner.server.variable_options import is_true
from generator.shared.failures import BadInputsError

_CLASSES = ("KernelGatewayApp", "NotebookHTTPPersonality", "JupyterWebsocketPersonality", "JupyterApp", "Application")
taken: Mapping[str, str] = MappingProxyType(
    {
        "allow_credentials": "KG_ALLOW_CREDENTIALS",
        "allow_headers": "KG_ALLOW_HEADERS",
        "allow_methods": "KG_ALLOW_METHODS",
        "allow_notebook_download": "KG_ALLOW_NOTEBOOK_DOWNLOAD",
        "allow_origin": "KG_ALLOW_ORIGIN",
        "api": "KG_API",
        "auth_token": "KG_AUTH_TOKEN",
        "base_url": "KG_BASE_URL",
        "certfile": "KG_CERTFILE",
        "client_ca": "KG_CLIENT_CA",
        "default_kernel_name": "KG_DEFAULT_KERNEL_NAME",
        "expose_headers": "KG_EXPOSE_HEADERS",
        "force_kernel_name": "KG_FORCE_KERNEL_NAME",
        "ip": "KG_IP",
        "keyfile": "KG_KEYFILE",
        "log_level": "",
        "max_age": "KG_MAX_AGE",
        "max_kernels": "KG_MAX_KERNELS",
        "port": "KG_PORT",
        "port_retries": "KG_PORT_RETRIES",
        "prespawn_count": "KG_PRESPAWN_COUNT",
        "seed_uri": "KG_SEED_URI",
        "static_path": "KG_STATIC_PATH",
        "trust_xheaders": "KG_TRUST_XHEADERS",
    }
)
"""Options with the same meaning here, and their variables; ``_`` is ``-`` in the option."""
switches = frozenset(("allow_notebook_download", "trust_xheaders"))
_COSMETIC = "the server asks nothing and has one form of log lines"
_WEBSOCKET = "it is for --api jupyter-websocket alone"
ignored: Mapping[str, str] = MappingProxyType(
    {
        "answer_yes": _COSMETIC,
        "log_datefmt": _COSMETIC,
        "log_format": _COSMETIC,
        "logging_config": _COSMETIC,
    }
)
"""Options without an effect, and why."""
_CONFIGURATION = "configuration files are not read; use options or variables"
_PYTHON = "classes of the Kernel Gateway cannot be exchanged here"
refused: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(only_websocket, _WEBSOCKET),
        "config_file": _CONFIGURATION,
        "config_file_name": _CONFIGURATION,
        "generate_config": _CONFIGURATION,
        "show_config": _CONFIGURATION,
        "show_config_json": _CONFIGURATION,
        "cell_parser": "only annotations such as '# GET /hello' are read, no operations of a Swagger document",
        "comment_prefix": "the comment mark follows from the notebook's language; '#' is always one",
        "ssl_version": "the protocol is negotiated, TLS 1.2 or newer",
        "authorizer_class": _PYTHON,
        "identity_provider_class": _PYTHON,
        "kernel_manager_class": _PYTHON,
        "kernel_spec_manager_class": _PYTHON,
    }
)
"""Options that cannot be used here, and why."""
_refused_variables: Mapping[str, str] = MappingProxyType(
    {"KG_CELL_PARSER": refused["cell_parser"], "KG_SSL_VERSION": refused["ssl_version"]}
)
_ALIASES = ("port_retries", "seed_uri", "client_ca", "ssl_version")
"""The Kernel Gateway's short options that have an underscore."""


def translate(words: Sequence[str]) -> list[str]:
    """Replace the Kernel Gateway's spelling of options by this command's.

    Raises:
        BadInputsError: an option is refused, or not one of the Kernel Gateway's.
    """
    left, translated = iter(words), list[str]()
    for word in left:
        found = re.fullmatch(r"--(?:(\w+)\.)?(\w+)(?:=(.*))?", word, re.DOTALL)
        if not found or not (found[1] or found[2] in (*_ALIASES, "generate_config")):
            translated.append(word)
            continue
        value = found[3] if found[3] is not None else next(left, "")
        translated += _translate(word.partition("=")[0], found[1], found[2], value)
    return translated


def _translate(word: str, owner: str | None, name: str, value: str) -> Iterator[str]:
    if owner is not None and owner not in _CLASSES:
        raise BadInputsError(f"{word}: {_PYTHON}")
    if name in refused:
        raise BadInputsError(f"{word}: {refused[name]}")
    if name in switches:
        yield f"--{'' if _is_true(word, value) else 'no-'}{name.replace('_', '-')}"
    elif name in taken:
        yield f"--{name.replace('_', '-')}={_unquote(value)}"
    elif name not in ignored:
        raise BadInputsError(f"{word}: no such option; see packmill-runner gateway --help")


def read_variables(environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the values of options that variables set, and remarks on variables without an effect.

    Raises:
        BadInputsError: a variable is refused.
    """
    values = {}
    for name, variable in taken.items():
        if text := environment.get(variable) if variable else None:
            values[name] = text
    for variable, reason in _refused_variables.items():
        if environment.get(variable, "") not in ("", "kernel_gateway.notebook_http.cell.parser"):
            raise BadInputsError(f"{variable}: {reason}; unset it")
    return values, list(_unknown(environment))


def _unknown(names: Iterable[str]) -> Iterator[str]:
    known = {*taken.values(), *_refused_variables}
    for name in sorted(names):
        if name in only_websocket.values():
            yield f"{name}: no effect; {_WEBSOCKET}"
        elif name.startswith("KG_") and name not in known:
            yield f"{name}: no such variable; see packmill-runner gateway --help"


def _is_true(word: str, value: str) -> bool:
    if _unquote(value).lower() not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise BadInputsError(f"{word}: {value!r} is not True or False")
    return is_true(_unquote(value))


def _unquote(value: str) -> str:
    """Return a value without the quotes that the Kernel Gateway's configuration allows."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
