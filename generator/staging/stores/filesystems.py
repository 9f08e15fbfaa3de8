"""All other stores, with fsspec: ``gs://`` and ``abfs://`` with obstore, ``ftp://``, ``sftp://``, installed ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from generator.shared.failures import BadInputsError, RunFailedError, StagingError
from generator.staging import urls
from generator.staging.checksums import Checksum
from generator.staging.network.credentials import Credentials
from generator.staging.network.guard import ForbiddenAddressError, NoGuard, find_forbidden_address
from generator.staging.network.settings import NetworkSettings
from generator.staging.records import Location
from generator.staging.stores import (
    ChangedError,
    Download,
    NotModifiedError,
    TransientError,
    UrlSource,
    Validator,
    no_validator,
)
from generator.staging.stores.folder_listing import files_below

_BY_OBSTORE = {"gs": "gs", "gcs": "gs", "abfs": "abfs", "abfss": "abfss", "az": "abfs"}
_SERVERS = ("ftp", "sftp", "ssh")
_LOCAL = ("", *"file local data memory reference generic dir cached simplecache filecache blockcache".split())
_LOCAL += ("asynclocal", "asyncwrapper", "zip", "tar", "libarchive", "archive", "git", "jlab", "jupyter", "dask")
"""fsspec protocols that read local files, or a URL within their URL."""
_PERMANENT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_SSH_REFUSAL = re.compile(
    r"known_hosts|host key|No authentication methods|private key|[Ii]nvalid key|key data|key header|expected \w+ key"
)
"""What paramiko writes of a host or of keys that no other attempt changes."""
_BROKEN_LOGIN = re.compile(r"transport shut down|Authentication timeout")
"""What paramiko writes of a login that the server did not answer."""


def open_store(network: NetworkSettings, credentials: Credentials, _location: Location) -> FileSystemStore:
    """Return the store of any other location; its packages are imported when a file is opened."""
    return FileSystemStore(network, credentials)


class FileSystemStore:
    """The file systems that one record's credentials give access to."""

    has_folders = True

    def __init__(self, network: NetworkSettings, credentials: Credentials) -> None:
        self._network, self._credentials = network, credentials

    def source(self, url: str, *, checksum: Checksum | None = None, size: int | None = None) -> FileSystemSource:
        """Return the file at a URL."""
        return FileSystemSource(store=self, address=url, checksum=checksum, size=size)

    def list_folder(self, url: str) -> list[FileSystemSource]:
        """List the files below a URL that ends with a slash, sorted by path.

        Raises:
            StagingError, TransientError: the folder cannot be listed.
        """
        with self.opened(url) as (system, path), translate_filesystem_errors(url):
            found = sorted(files_below(system, path.rstrip("/"), url))
        parts = urlsplit(url)
        # object stores have the bucket in their paths, servers begin theirs with a slash
        top = f"{parts.scheme}://" + (parts.netloc if found and found[0][0].startswith("/") else "")
        shown = urls.redact(url).rstrip("/")
        return [replace(self.source(f"{top}{path}"), shown=f"{shown}/{relative}") for path, relative in found]

    @contextmanager
    def opened(self, url: str) -> Iterator[tuple[Any, str]]:
        """Yield the file system of a URL and the path in it; its connection ends with the block.

        Raises:
            BadInputsError: the scheme is not allowed, or its package is not installed.
        """
        system, path = self.find(url)
        try:
            yield system, path
        finally:
            _end_connection(system)

    def find(self, url: str) -> tuple[Any, str]:
        """Return the file system of a URL and the path in it.

        Raises:
            BadInputsError: the scheme is not allowed, or its package is not installed.
        """
        scheme = urls.scheme(url)
        guarded = not isinstance(self._network.guard, NoGuard)
        is_chain = "::" in url and scheme not in (*_BY_OBSTORE, *_SERVERS)  # fsspec parses the other addresses
        if scheme in _LOCAL or is_chain or (guarded and scheme not in _SERVERS):
            raise BadInputsError(f"{urls.redact(url)}: {scheme or 'a path'} is not allowed here")
        with translate_filesystem_errors(url):
            self._network.guard.check_name(urlsplit(url).hostname or "")
            if scheme in _BY_OBSTORE:
                return self._open_object_store(_BY_OBSTORE[scheme], url)
            if scheme in ("sftp", "ssh"):
                return self._open_sftp(url)
            return self._open_ftp(url) if scheme == "ftp" else self._open_installed(url)

    def _open_object_store(self, protocol: str, url: str) -> tuple[Any, str]:
        """Return obstore's gs or abfs, with keys from the configuration folder, else from the cloud's own environment.

        ``google.json`` is a service account's key file, ``azure.json`` a mapping of obstore's settings for Azure, such
        as ``account_name`` and ``account_key``.
        """
        try:
            from generator.staging.stores.object_stores import PartedStore
        except ImportError:
            raise _missing_package_error(urls.scheme(url), "obstore") from None
        config: dict[str, Any] = {}
        google, azure = self._credentials.file("google.json"), self._credentials.file("azure.json")
        if protocol == "gs" and google:
            config["service_account_key"] = google.read_text(encoding="utf-8")
        elif protocol != "gs" and azure:
            config = json.loads(azure.read_text(encoding="utf-8"))
        timeouts = {
            "connect_timeout": f"{self._network.connect_timeout:.0f}s",
            "timeout": f"{self._network.timeout * 5:.0f}s",  # of a whole answer, which is a few MB
            "allow_http": True,  # the configuration chooses the server, with https unless it specifies http
        }
        system = PartedStore(protocol, config=config or None, client_options=timeouts, retry_config={"max_retries": 1})
        return system, url.partition("://")[2]

    def _open_sftp(self, url: str) -> tuple[Any, str]:
        try:
            from generator.staging.stores.sftp import KnownHostsFileSystem
        except ImportError:
            raise _missing_package_error("sftp", "paramiko") from None
        parts = urlsplit(url)
        host = parts.hostname or ""
        login = self._credentials.login(host)
        user = parts.username or (login[0] if login else None) or self._credentials.username
        password = parts.password or (login[1] if login else None) or self._credentials.password
        system = KnownHostsFileSystem(
            host,
            known_hosts=str(self._credentials.file("known_hosts", ".ssh/known_hosts") or ""),
            port=parts.port or 22,
            username=user,
            password=password,
            key_filename=str(self._credentials.file("id_ed25519", "id_rsa", ".ssh/id_ed25519", ".ssh/id_rsa") or "")
            or None,
            timeout=self._network.connect_timeout,
            banner_timeout=self._network.connect_timeout,
            auth_timeout=self._network.connect_timeout,
            silence=self._network.timeout,
        )
        return system, urls.split(url).path

    def _open_ftp(self, url: str) -> tuple[Any, str]:
        try:
            from generator.staging.stores.ftp import SingleFileFtp
        except ImportError:
            raise _missing_package_error("ftp", "fsspec") from None
        parts = urlsplit(url)
        login = self._credentials.login(parts.hostname or "")
        user = (parts.username, parts.password) if parts.username or not login else login
        system = SingleFileFtp(
            parts.hostname, parts.port or 21, username=user[0], password=user[1], timeout=int(self._network.timeout)
        )
        return system, urls.split(url).path  # fsspec would end it at a question mark

    def _open_installed(self, url: str) -> tuple[Any, str]:
        try:
            import fsspec
        except ImportError:
            raise _missing_package_error(urls.scheme(url), "fsspec") from None
        system, path = fsspec.core.url_to_fs(url)
        return system, path


@dataclass(frozen=True, kw_only=True)
class FileSystemSource(UrlSource):
    """A file in an fsspec file system."""

    store: FileSystemStore = field(repr=False)

    def open(self, offset: int = 0, *, expected: Validator = no_validator, known: Validator = no_validator) -> Download:
        """See `Source.open`."""
        with ExitStack() as connection, translate_filesystem_errors(self.address):
            system, path = connection.enter_context(self.store.opened(self.address))
            info = system.info(path)
            if info.get("type") == "directory":
                raise StagingError(f"{self.url} is a folder; end it with / to fetch all files below it")
            validator = _read_validator(info)
            if known and known == validator:
                raise NotModifiedError
            start = offset if expected and expected == validator else 0
            stream = system.open(path, "rb")
            if start:
                stream.seek(start)

            def is_unchanged() -> bool:
                system.invalidate_cache()
                return validator.agrees(_read_validator(system.info(path)))

            translated = _CheckedStream(stream, self.address, connection.pop_all(), is_unchanged=is_unchanged)
        return Download(stream=translated, offset=start, size=info.get("size"), validator=validator)


class _CheckedStream:
    """A file of which each block is a request of its own, so that it may be of several versions until its end."""

    def __init__(self, stream: Any, url: str, connection: ExitStack, *, is_unchanged: Callable[[], bool]) -> None:
        self._stream, self._url, self._connection, self._is_unchanged = stream, url, connection, is_unchanged

    def read(self, size: int, /) -> bytes:
        with translate_filesystem_errors(self._url):
            block = bytes(self._stream.read(size))
            if not block and not self._is_unchanged():
                raise ChangedError
            return block

    def close(self) -> None:
        with self._connection:
            self._stream.close()


def _end_connection(system: Any) -> None:
    """End a connection that belongs to one use; fsspec keeps those of other file systems for the next use."""
    if end := getattr(system, "end_connection", None):
        end()


def _read_validator(info: dict[str, Any]) -> Validator:
    """Read the validator, whose name depends on the file system."""
    etag = next((str(info[name]) for name in ("ETag", "etag", "e_tag", "md5", "checksum") if info.get(name)), "")
    changed = next(
        (info[name] for name in ("LastModified", "last_modified", "mtime", "modify", "modified") if info.get(name)),
        "",
    )
    return Validator(etag=etag, modified=f"{changed} {info.get('size', '')}" if changed else "")


@contextmanager
def translate_filesystem_errors(url: str) -> Iterator[None]:
    """Raise errors of file systems as this package's own, with the URL in the message.

    Raises:
        TransientError: Another attempt may succeed.
        StagingError: The file is missing, or the store refuses the request.
    """
    try:
        yield
    except (RunFailedError, NotModifiedError, ChangedError, TransientError, MemoryError):
        raise
    except Exception as error:
        _raise_translated(error, urls.redact(url))
        raise


def _raise_translated(error: Exception, url: str) -> None:
    if isinstance(error, FileNotFoundError) or type(error).__name__ == "NotFoundError":
        raise StagingError(f"{url}: file not found") from None
    if found := error if isinstance(error, ForbiddenAddressError) else find_forbidden_address(error):
        raise StagingError(f"{url}: {found}") from None
    if isinstance(error, (*_PERMANENT, ValueError, ImportError)) or _is_refusal(error):
        raise StagingError(f"{url}: {urls.redact_text(str(error)) or type(error).__name__}") from None
    raise TransientError(urls.redact_text(str(error)).partition("\n")[0] or type(error).__name__) from None


def _is_refusal(error: BaseException) -> bool:
    """Return whether FTP, SSH or a cloud refused the request."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if "SSHException" in names:  # paramiko also raises it for a connection that ends, such as beyond sshd's MaxStartups
        refused = names & {"AuthenticationException", "BadHostKeyException", "IncompatiblePeer"}
        return not _BROKEN_LOGIN.search(str(error)) if refused else bool(_SSH_REFUSAL.search(str(error)))
    return bool(names & {"error_perm", "PermissionDeniedError"}) or "Unauthenticated" in type(error).__name__


def _missing_package_error(scheme: str, package: str) -> BadInputsError:
    return BadInputsError(f"{scheme}:// needs {package}: pip install 'packmill[staging]'")
