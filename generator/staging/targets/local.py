"""Local folders as targets."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from generator.shared import durable_files
from generator.shared.failures import BadInputsError, disk_full_as_error
from generator.staging.network.credentials import Credentials
from generator.staging.network.settings import NetworkSettings
from generator.staging.records import Location
from generator.staging.targets import part_name
from generator.staging.transfer.locks import has_name, part_lock

_BLOCK = 1024**2


def open_target(
    location: Location, _network: NetworkSettings, _credentials: Credentials, *, inside: Path | None
) -> LocalTarget:
    """Return the folder of a location.

    Raises:
        BadInputsError: the folder is not below ``inside``.
    """
    address = str(location.addresses[0])
    if inside is not None and address.startswith("file://") and "path" in location.record:
        name = address.rstrip("/").rpartition("/")[2]
        raise BadInputsError(
            f"stage_out: {address}: cwltool changes the field 'path' of a record to an address; "
            f"give the name of a folder in the field 'folder', such as {{folder: {name}}}"
        )
    return LocalTarget(folder=local_folder(address, inside=inside))


def local_folder(address: str, *, inside: Path | None) -> Path:
    """Return the absolute path of a local folder.

    Raises:
        BadInputsError: the folder is not below ``inside``, where the engine collects outputs.
    """
    path = Path(address.removeprefix("file://"))
    if inside is None:
        return path.absolute()
    folder = (inside / path).resolve()
    if path.is_absolute() or folder == inside.resolve() or not folder.is_relative_to(inside.resolve()):
        raise BadInputsError(
            f"{address}: a step runs in a container, which cannot write there; give the name of a folder, "
            "such as results, and find it in the engine's --outdir"
        )
    return folder


@dataclass(frozen=True, kw_only=True)
class LocalTarget:
    """A local folder."""

    folder: Path

    @property
    def url(self) -> str:
        """The path of the folder."""
        return str(self.folder)

    def put(self, file: Path, relative: str, on_bytes: Callable[[int], None]) -> str:
        """Copy a file under a temporary name, then rename it, both on the disk as well.

        Others who may write to the folder can put a link in place of the file with this name: it is not followed.

        Raises:
            DiskFullError: the disk of the folder is full.
        """
        final = self.folder / relative
        with disk_full_as_error(final):
            self._deliver(file, final)
        on_bytes(file.stat().st_size)
        return str(final)

    @staticmethod
    def _deliver(file: Path, final: Path) -> None:
        durable_files.make_folder(final.parent)
        part = final.with_name(part_name(final.name))
        with part_lock(part) as own:  # two stage-outs may deliver a file of one name
            try:
                _copy(file, own)
                durable_files.replace(part, final)
            except BaseException:
                if has_name(own.fileno(), part):  # after the rename, a file of that name is another stage-out's
                    part.unlink(missing_ok=True)
                raise


def _copy(file: Path, target: BinaryIO) -> None:
    target.truncate(0)  # an interrupted delivery left a part
    with file.open("rb") as source:
        shutil.copyfileobj(source, target, _BLOCK)
    target.flush()
