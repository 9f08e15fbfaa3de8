"""Listening sockets: an address and port, or a Unix socket that only its owner can connect to."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from generator.shared.failures import BadInputsError
from generator.shared.listening import bound_socket


def open_listener(file: str | None, host: str, port: int) -> AbstractContextManager[socket.socket]:
    """Open the listening socket of ``--socket``, a file or ``fd:N``, or else that of an address.

    Raises:
        BadInputsError: it cannot be opened; when the block begins.
    """
    if not file:
        return listen(host, port)
    inherited = re.fullmatch(r"fd:(\d{1,9})", file)
    return take_over(int(inherited[1])) if inherited else listen_on_file(Path(file))


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """Open a listening socket before anything is started.

    Raises:
        BadInputsError: the address is in use or cannot be bound.
    """
    try:
        listener = bound_socket(host, port)
    except OSError as error:
        raise BadInputsError(f"{host}:{port}: {error.strerror}; choose another --host or --port") from None
    with listener:
        yield listener


@contextmanager
def take_over(descriptor: int) -> Iterator[socket.socket]:
    """Listen on the socket of a file descriptor, which the process that started this one has opened.

    Raises:
        BadInputsError: it is not a socket.
    """
    try:
        listener = socket.socket(fileno=descriptor)
    except OSError as error:
        raise BadInputsError(
            f"--socket fd:{descriptor}: {error.strerror}; give the number of a listening socket"
        ) from None
    listener.set_inheritable(False)
    with listener:
        yield listener


@contextmanager
def listen_on_file(path: Path) -> Iterator[socket.socket]:
    """Open a listening Unix socket with the mode 0600, and remove its file at the end.

    The file of a server that was killed is replaced.

    Raises:
        BadInputsError: a server uses the file, it is not a socket, or it cannot be created.
    """
    _remove_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        mask = os.umask(0o177)
        try:
            listener.bind(str(path))
            own = path.stat()
        except (OSError, ValueError) as error:  # ValueError: a null byte
            raise _problem(path, getattr(error, "strerror", None) or error) from None
        finally:
            os.umask(mask)
        try:
            yield listener
        finally:
            _remove_own(path, own)


def _remove_stale(path: Path) -> None:
    """Remove a socket on which nothing listens.

    Raises:
        BadInputsError: a server listens, or the file is not a socket.
    """
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise _problem(path, "exists and is not a socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(1)
            client.connect(str(path))
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
        return
    except (OSError, ValueError) as error:
        raise _problem(path, getattr(error, "strerror", None) or error) from None
    raise _problem(path, "a server uses it")


def _remove_own(path: Path, own: os.stat_result) -> None:
    """Remove the file of a socket, unless another server has replaced it."""
    try:
        if os.path.samestat(path.lstat(), own):
            path.unlink()
    except OSError:  # removed by others
        pass


def _problem(path: Path, why: object) -> BadInputsError:
    return BadInputsError(f"--socket {path}: {why}; choose another file")
