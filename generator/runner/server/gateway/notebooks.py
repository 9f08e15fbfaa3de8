"""The notebooks of the gateway: read from files or addresses, with their endpoints and kernels."""

from __future__ import annotations

import os
import re
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

from generator.notebook.notebook import Notebook, read_notebook
from generator.notebook.text_formats import as_notebook
from generator.runner.kernels.specs import Kernel, choose_kernel, find_kernels
from generator.runner.packaged.repository_location import locate_repository
from generator.runner.server.container import is_container
from generator.runner.server.gateway.annotations import Annotated, read_annotations
from generator.shared.errors import NotebookError
from generator.shared.failures import BadInputsError, ProcessMissingError

_DOWNLOAD_TIMEOUT = 200.0
_LARGEST = 256 * 1024**2


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedNotebook:
    """A notebook whose annotated cells are served below ``prefix``; ``remarks`` are warnings."""

    name: str
    """The file's name."""
    prefix: str
    data: bytes
    directory: Path
    """The working directory of its kernels."""
    annotated: Annotated
    kernel: Kernel
    remarks: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name up to its first dot."""
        return self.name.split(".")[0] or self.name


def load_notebooks(words: list[str], *, forced: str | None, default: str | None) -> list[ServedNotebook]:
    """Read the notebooks of a command line; ``forced`` and ``default`` are names of kernels.

    Raises:
        ProcessMissingError: a notebook cannot be read.
        BadInputsError: a notebook has no handler.
        KernelMissingError: no kernel can run it.
    """
    return [_load(*_split(word), forced=forced, default=default) for word in words]


def _split(word: str) -> tuple[str, str]:
    """Return the prefix and the notebook of ``/prefix=notebook``."""
    found = re.fullmatch(r"(/[A-Za-z0-9._~/-]*)=(.+)", word)
    return (found[1].rstrip("/"), found[2]) if found and not Path(word).is_file() else ("", word)


def _load(prefix: str, place: str, *, forced: str | None, default: str | None) -> ServedNotebook:
    directory, data = read_place(place)
    name = Path(urlsplit(place).path if _is_address(place) else place).name
    try:
        data = as_notebook(data, name)
        notebook = read_notebook(data, place)
    except NotebookError as error:
        raise ProcessMissingError(str(error)) from None
    kernel, warning = _choose_kernel(notebook, forced, default)
    annotated = read_annotations(notebook.cells, notebook.language or kernel.language)
    if not annotated.endpoints:
        raise BadInputsError(
            f"{place}: no cell is a handler; begin a cell with a line such as '# GET /hello'"
            + "".join(f"\n  {remark}" for remark in annotated.remarks)
        )
    remarks = tuple(f"{place}: {remark}" for remark in (*annotated.remarks, *([warning] if warning else [])))
    return ServedNotebook(
        name=name, prefix=prefix, data=data, directory=directory, annotated=annotated, kernel=kernel, remarks=remarks
    )


def _choose_kernel(notebook: Notebook, forced: str | None, default: str | None) -> tuple[Kernel, str]:
    name = forced or notebook.kernel or default
    return choose_kernel(
        find_kernels(os.environ),
        name=name,
        language=notebook.language or "python",
        exact=bool(forced),
        in_image=False,
    )


def _is_address(place: str) -> bool:
    return place.startswith(("http://", "https://"))


def read_place(place: str) -> tuple[Path, bytes]:
    """Return the working directory for a notebook, and its data.

    A relative path that is missing in the working directory is one in the image's repository.

    Raises:
        ProcessMissingError: the notebook cannot be read.
    """
    if _is_address(place):
        return Path.cwd(), _download(place)
    path, directory = Path(place.removeprefix("file://")), Path.cwd()
    if is_container() and not path.is_absolute() and not path.exists():
        directory = locate_repository(None).folder
    try:
        return directory, (directory / path).read_bytes()
    except OSError as error:
        raise ProcessMissingError(f"{place}: {error.strerror}") from None


def _download(place: str) -> bytes:
    try:
        with urllib.request.urlopen(place, timeout=_DOWNLOAD_TIMEOUT) as response:  # noqa: S310 - http or https
            data: bytes = response.read(_LARGEST + 1)
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise ProcessMissingError(f"{place}: {getattr(error, 'reason', error)}") from None
    if len(data) > _LARGEST:
        raise ProcessMissingError(f"{place}: larger than {_LARGEST} bytes")
    return data
