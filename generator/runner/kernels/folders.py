"""The folders in which kernels are found, in the order of Jupyter, for an environment other than the runner's own.

https://jupyter-core.readthedocs.io, "Jupyter's Common Directories and File Locations" (`jupyter_core.paths`, whose
import costs a tenth of a second, searches the prefix of its own Python only).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_OWN = Path("/opt/packmill/kernel/share/jupyter")
_SYSTEM = (Path("/usr/local/share/jupyter"), Path("/usr/share/jupyter"))


def kernel_folders(environment: Mapping[str, str]) -> list[Path]:
    """List the folders of kernels: JUPYTER_PATH, the environments on PATH, the user's folders, the system's.

    Without a preference for environments, the user's folders come before them.
    """
    shares = [Path(folder) for folder in environment.get("JUPYTER_PATH", "").split(":") if folder]
    user = _list_user_shares(environment)
    environments = [Path(sys.prefix) / "share/jupyter", *_list_path_shares(environment)]
    first = next((index for index, share in enumerate(environments) if share in _SYSTEM), len(environments))
    if not _prefers_environments(environment):
        first = 0
    shares += [*environments[:first], *user, *environments[first:], *_SYSTEM]
    folders = [share.absolute() / "kernels" for share in shares]
    ipython = environment.get("IPYTHONDIR") or f"{environment.get('HOME', '/')}/.ipython"
    return list(dict.fromkeys((*folders, Path(ipython).absolute() / "kernels")))


def _prefers_environments(environment: Mapping[str, str]) -> bool:
    """Check whether environments come before the user's folders, as in `jupyter_core.paths`."""
    if "JUPYTER_PREFER_ENV_PATH" in environment:
        return environment["JUPYTER_PREFER_ENV_PATH"].lower() not in ("no", "n", "false", "off", "0", "0.0")
    conda = environment.get("CONDA_PREFIX")
    in_conda = bool(conda and sys.prefix.startswith(conda) and environment.get("CONDA_DEFAULT_ENV", "base") != "base")
    return in_conda or sys.prefix != sys.base_prefix


def _list_user_shares(environment: Mapping[str, str]) -> list[Path]:
    home = environment.get("HOME", "/")
    data = environment.get("XDG_DATA_HOME") or f"{home}/.local/share"
    shares = [environment.get("JUPYTER_DATA_DIR") or f"{data}/jupyter"]
    shares += [f"{environment.get('PYTHONUSERBASE') or f'{home}/.local'}/share/jupyter"]
    shares += ["/home/jovyan/.local/share/jupyter"]  # the home of images, where HOME is another
    return [Path(share) for share in dict.fromkeys(shares)]


def _list_path_shares(environment: Mapping[str, str]) -> list[Path]:
    """List the kernel folders of PATH; packmill's kernel is that of the first Python, so later ones follow it."""
    bins = [Path(folder) for folder in environment.get("PATH", "").split(":") if folder.startswith("/")]
    shares, own = [], [_OWN]
    command = next((name for name in ("python3", "python") if any(os.access(one / name, os.X_OK) for one in bins)), "")
    for folder in bins:
        shares += [folder.parent / "share" / "jupyter"] if folder.name == "bin" else []
        if command and os.access(folder / command, os.X_OK):
            shares += own
            own = []
    return shares + own
