"""The two modes of the Kernel Gateway, and which of its options and variables are for one of them alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

Mode = Literal["notebook-http", "jupyter-websocket"]
_MODULES: Mapping[str, Mode] = {
    "kernel_gateway.notebook_http": "notebook-http",
    "kernel_gateway.jupyter_websocket": "jupyter-websocket",
}
only_websocket: Mapping[str, str] = {
    "env_process_whitelist": "KG_ENV_PROCESS_WHITELIST",
    "env_whitelist": "KG_ENV_WHITELIST",
    "list_kernels": "KG_LIST_KERNELS",
    "ws_ping_interval": "KG_WS_PING_INTERVAL_SECS",
    "cookie_secret": "",
    "cookie_secret_file": "",
    "kernel_websocket_connection_class": "",
}
"""Options of jupyter-websocket alone, and their variables."""
only_http: Mapping[str, str] = {
    "allow_notebook_download": "KG_ALLOW_NOTEBOOK_DOWNLOAD",
    "cell_parser": "KG_CELL_PARSER",
    "comment_prefix": "KG_COMMENT_PREFIX",
    "static_path": "KG_STATIC_PATH",
}
"""Options of notebook-http alone, and their variables."""


def find_mode(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the mode that a command line chooses, else the variable KG_API; perhaps one that does not exist."""
    given = [*_given(words), environment.get("KG_API", "")]
    name = next((value.strip("'\"") for value in given if value), "notebook-http")
    return _MODULES.get(name, name)


def _given(words: Sequence[str]) -> Iterator[str]:
    for word, following in reversed([*zip(words, [*words[1:], ""], strict=False)]):
        found = re.fullmatch(r"--(?:KernelGatewayApp\.)?api(?:=(.*))?", word)
        if found:
            yield found[1] if found[1] is not None else following
