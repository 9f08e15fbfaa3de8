"""The command line of the mode jupyter-websocket: the Kernel Gateway's options, in its spelling and in packmill's.

``--list-kernels`` is ``--JupyterWebsocketPersonality.list_kernels=True``, and options of Jupyter's classes, such as
``--MappingKernelManager.cull_idle_timeout=600``, reach them unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from generator.runner.server.gateway.modes import only_http
from generator.shared.failures import BadInputsError

_APP, _PERSONALITY = "KernelGatewayApp", "JupyterWebsocketPersonality"
_NAMES = (
    "allow_credentials allow_headers allow_methods allow_origin answer_yes auth_token authorizer_class base_url "
    "certfile client_ca config_file config_file_name cookie_secret cookie_secret_file default_kernel_name "
    "env_process_whitelist "
    "expose_headers force_kernel_name generate_config identity_provider_class ip kernel_manager_class "
    "kernel_spec_manager_class kernel_websocket_connection_class keyfile log_datefmt log_format log_level "
    "logging_config max_age max_kernels port port_retries prespawn_count seed_uri show_config show_config_json "
    "ssl_version trust_xheaders ws_ping_interval"
).split()
classes: Mapping[str, str] = {
    **dict.fromkeys(_NAMES, _APP),
    "env_whitelist": _PERSONALITY,
    "list_kernels": _PERSONALITY,
}
"""The Kernel Gateway's options in this mode, and their classes."""
_SWITCHES = frozenset("answer_yes generate_config list_kernels show_config show_config_json trust_xheaders".split())
_LISTS = frozenset(("env_process_whitelist", "env_whitelist"))
_FLAGS = frozenset(("--debug", "-y", "--help-all", "--version"))
_ONLY_HTTP = ("shared-kernel", "queue", "timeout", "max-upload", "max-response")
original_option = "--original"
"""The option under which the parser keeps a word for the Kernel Gateway."""


def translate_websocket(words: Sequence[str]) -> list[str]:
    """Mark the words that are for the Kernel Gateway, and write its options in its own spelling.

    Raises:
        BadInputsError: an option is for notebook-http alone, or not one of the Kernel Gateway's.
    """
    left = list(words)
    translated = list[str]()
    while left:
        word = left.pop(0)
        found = re.fullmatch(r"--(?:([A-Za-z]\w*)\.)?([\w-]+)(?:=(.*))?", word, re.DOTALL)
        if word in _FLAGS:
            translated.append(f"{original_option}={word}")
        elif not found:
            translated.append(word)
        elif found[2] == "api":
            _value(found[3], left, switch=False)
        else:
            translated += _translate(word.partition("=")[0], found[1], found[2], found[3], left)
    return translated


def _translate(word: str, owner: str | None, name: str, given: str | None, left: list[str]) -> Iterator[str]:
    plain = name.replace("-", "_")
    negative = plain.removeprefix("no_") in _SWITCHES and plain.startswith("no_")
    plain = plain.removeprefix("no_") if negative else plain
    if plain in only_http or owner == "NotebookHTTPPersonality" or (owner is None and name in _ONLY_HTTP):
        raise BadInputsError(f"{word}: it is for --api notebook-http alone")
    if owner in (_APP, _PERSONALITY, "JupyterApp", "Application") and plain not in classes:
        raise BadInputsError(f"{word}: no such option; see packmill-runner gateway --api jupyter-websocket --help")
    if owner is None and plain == "config":
        plain = "config_file"
    if owner is None and plain not in classes:
        yield word if given is None else f"{word}={given}"
        return
    value = "False" if negative else _value(given, left, switch=plain in _SWITCHES)
    target = classes.get(plain, owner) if owner in (None, _APP, _PERSONALITY, "JupyterApp", "Application") else owner
    if plain == "log_level" and owner is None:
        target, value = "Application", value.upper()
    for one in value.split(",") if plain in _LISTS and not value.startswith("[") else [value]:
        yield f"{original_option}=--{target}.{plain}={one}"


def _value(given: str | None, left: list[str], *, switch: bool) -> str:
    """Return the value of an option, which may be the next word; a switch without one is on."""
    if given is not None:
        return given
    if left and not left[0].startswith("-") and (not switch or left[0].lower() in ("true", "false")):
        return left.pop(0)
    return "True" if switch else ""


def remarks_on_variables(environment: Mapping[str, str], known: Mapping[str, str]) -> list[str]:
    """Return remarks on variables of the Kernel Gateway without an effect in this mode; ``known`` are all variables."""
    other = {variable for variable in only_http.values() if variable}
    remarks = [f"{name}: no effect with --api jupyter-websocket" for name in sorted(other & set(environment))]
    unknown = (name for name in sorted(environment) if name.startswith("KG_") and name not in {*known.values(), *other})
    help_text = "packmill-runner gateway --api jupyter-websocket --help"
    return remarks + [f"{name}: no such variable; see {help_text}" for name in unknown]
