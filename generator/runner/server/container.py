"""The server in a container of an image that packmill built: the defaults that differ from those on a host.

``docker run -p 8000:8000 IMAGE packmill-runner serve`` works as it is: the server listens on all addresses of the
container, because Docker can publish no other, and keeps its data where a volume is expected.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path

from generator.runner.image_note import read_image_note
from generator.runner.server.own_folder import OwnFolder
from generator.runner.server.variable_options import variable_prefix
from generator.shared.failures import BadInputsError

_volume = Path("/var/lib/packmill")
"""The image has this folder, writable for every user; a named volume that is mounted there becomes so, too."""
_LOST_WITH_CONTAINER = ("overlay", "tmpfs", "ramfs")
"""Types of file systems."""


def is_container() -> bool:
    """Return whether this program runs in an image that packmill built."""
    return bool(read_image_note())


def container_defaults(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the defaults of options in a container: the values of their variables, or the container's own.

    ``docker stop`` kills a container after ten seconds, so running notebooks are interrupted and saved before.
    """
    defaults = {"host": "0.0.0.0", "data": str(_default_data()), "shutdown_timeout": "5"}  # noqa: S104 - see above
    return {name: environment.get(variable_prefix + name.upper()) or value for name, value in defaults.items()}


def gateway_defaults(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the defaults of the options of ``gateway`` in a container, as `container_defaults`."""
    variables = {"ip": "KG_IP", "shutdown_timeout": "PACKMILL_GATEWAY_SHUTDOWN_TIMEOUT"}
    defaults = {"ip": "0.0.0.0", "shutdown_timeout": "5"}  # noqa: S104 - see above
    return {name: environment.get(variables[name]) or value for name, value in defaults.items()}


def _default_data() -> Path:
    """Return the folder for the data, even if none is writable; `check_data` will report that."""
    if _volume.is_mount() or os.access(_volume, os.W_OK):
        return _volume
    try:
        return Path(tempfile.gettempdir(), "packmill-data")
    except FileNotFoundError:
        return _volume


def check_data(folder: Path, say: Callable[[str], None]) -> None:
    """Create the folder of the server's data, and warn if it is lost with the container.

    Raises:
        BadInputsError: the folder cannot be created, or this user cannot write to it.
    """
    advice = f"mount another volume at {_volume}" if is_container() else "name another folder with --data"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise BadInputsError(f"{folder}: {error.strerror}; {advice}") from None
    _check_writable(folder, advice)  # before what is in it, which another user's folder does not show
    kept = folder / "kept"  # of workers, which would fail one after another
    if os.path.lexists(kept) and not os.path.isdir(kept):  # noqa: PTH112 - a link to a closed folder raises nothing
        raise BadInputsError(f"{kept}: not a folder; remove it, or {advice}")
    for path in (*([kept] if os.path.lexists(kept) else ()), *folder.glob("*.sqlite")):
        _check_writable(path, advice)
    if is_container() and _is_lost(folder, Path("/proc/mounts").read_text(encoding="utf-8")):
        say(f"warning: runs are lost with the container; keep them in a volume: docker run -v NAME:{_volume}")


def _check_writable(path: Path, advice: str) -> None:
    if not os.access(path, os.W_OK | (os.X_OK if path.is_dir() else 0)):
        owner, user = path.stat().st_uid, os.geteuid()
        raise BadInputsError(f"{path}: not writable for user {user}; serve as user {owner}, or {advice}")


def _is_lost(folder: Path, mounts: str) -> bool:
    """Return whether a folder is in the container's own file system, or in memory (proc(5), /proc/PID/mounts)."""
    types = {place: kind for _, place, kind, *_ in map(str.split, mounts.splitlines())}
    place = next(str(one) for one in (folder, *folder.parents) if str(one) in types)
    return place == "/" or types[place] in _LOST_WITH_CONTAINER


def ensure_temporary_folder(data: Path, environment: MutableMapping[str, str]) -> None:
    """Use a folder of the data for temporary files if no other is writable: in a container that is read-only.

    Folders that killed servers left are removed. A server holds a lock on its own, because several may share the data.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        folder = OwnFolder(data / "tmp", os.urandom(8).hex()).path
        environment["TMPDIR"] = tempfile.tempdir = str(folder)
