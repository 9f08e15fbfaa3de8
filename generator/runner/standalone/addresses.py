"""Notebooks from and to anywhere: files, pipes, papermill's addresses (http, s3, gs, abs, …), and all of fsspec's."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from generator.notebook.dialects.sidecar import Sidecar, no_sidecar, sidecar_of
from generator.runner.document.document import join_text
from generator.runner.document.saving import Write, file_writer
from generator.shared.failures import BadInputsError
from generator.shared.safe_text import redacted

_PAPERMILL = ("s3", "adl", "abs", "http", "https", "gs", "hdfs")
PIPE = "-"


def is_remote(address: str) -> bool:
    """Check whether an address is neither a local file nor a pipe."""
    return _scheme(address) not in ("", "file")


def _scheme(address: str) -> str:
    match = re.match(r"([A-Za-z][\w+.-]*)(?=://|::)", address)
    return match[1].lower() if match else ""


def local_path(address: str) -> Path:
    """Return the path of a local address."""
    return Path(address.removeprefix("file://"))


def read(address: str) -> bytes:
    """Read the bytes at an address.

    Raises:
        BadInputsError: the address cannot be read.
    """
    try:
        if address == PIPE:
            return sys.stdin.buffer.read()
        if not is_remote(address):
            return local_path(address).read_bytes()
        if _scheme(address) in ("http", "https"):
            return _get(address)
        if _scheme(address) in _PAPERMILL:
            return str(_papermill_io().read(address, None)).encode()
        with _fsspec(address).open(address, "rb") as stream:
            return bytes(stream.read())
    except BadInputsError:
        raise
    except Exception as error:  # noqa: BLE001 - each store raises errors of its own
        raise BadInputsError(f"{redact_address(address)}: cannot be read: {_cause(error)}") from None


def _get(address: str) -> bytes:
    """Fetch a URL, raising errors for HTTP statuses; papermill would read an error page as the notebook."""
    if re.match(r"https?://github\.com/", address, re.IGNORECASE):
        content = _papermill_io().read(address, None)
        return content if isinstance(content, bytes) else str(content).encode()
    import requests

    answer = requests.get(address, headers={"Accept": "application/json"}, timeout=60)
    answer.raise_for_status()
    return answer.content


def sidecar(address: str) -> Sidecar:
    """Return the reader of the YAML file next to a notebook in a local folder."""
    if address in ("", PIPE) or is_remote(address):
        return no_sidecar
    path = local_path(address)
    return sidecar_of(path.parent, path.name)


def writer(address: str) -> Write:
    """Return a function that writes a notebook, or its page, to an address.

    Raises:
        BadInputsError: a local address is a folder, is in a folder that does not exist, or is a link to itself.
    """
    if address == PIPE:
        return _to_stdout
    if not is_remote(address):
        path = local_path(address)
        if not path.parent.is_dir():
            raise BadInputsError(f"{path.parent}: folder of the executed notebook not found")
        if path.is_dir():
            raise BadInputsError(f"{path}: is a folder; {_remedy(path)}")
        try:
            path.resolve()
        except (OSError, RuntimeError):
            raise BadInputsError(f"{path}: is a link that leads to itself; remove it") from None
        return file_writer(path)

    def write(parts: Iterable[bytes]) -> None:
        text = join_text(parts)
        try:
            if _scheme(address) in _PAPERMILL:
                _papermill_io().write(text, address, None)
            else:
                with _fsspec(address).open(address, "w", encoding="utf-8") as stream:
                    stream.write(text)
        except BadInputsError:
            raise
        except Exception as error:  # noqa: BLE001 - as in read
            raise BadInputsError(f"{redact_address(address)}: cannot be written: {_cause(error)}") from None

    return write


def _remedy(folder: Path) -> str:
    if folder.suffix == ".html":
        return "remove it, or give the executed notebook another name"
    return f"give the path of the executed notebook, such as {folder / 'out.ipynb'}"


def _to_stdout(parts: Iterable[bytes]) -> None:
    try:
        sys.stdout.flush()
        sys.stdout.buffer.writelines(parts)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise BadInputsError("stdout: closed before the notebook was written") from None


def redact_address(address: str) -> str:
    """Return an address without passwords and signatures."""
    return re.sub(r"\?.*", "?…", redacted(re.sub(r"(?<=://)[^/]*@", "", address)))


def _cause(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return redact_address(str(error).strip()) or type(error).__name__


def _papermill_io() -> Any:
    from papermill.iorw import papermill_io

    return papermill_io


def _fsspec(address: str) -> Any:
    try:
        import fsspec
    except ImportError:
        scheme = _scheme(address)
        raise BadInputsError(f"{scheme}: addresses need fsspec; install it with packmill") from None
    return fsspec
