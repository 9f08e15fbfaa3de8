"""FTP that asks for one file instead of listing its folder, and takes no refused listing for an empty folder."""

from __future__ import annotations

from ftplib import error_perm, error_temp
from typing import Any

from fsspec.implementations.ftp import FTPFileSystem

from generator.staging.stores import TransientError


class SingleFileFtp(FTPFileSystem):  # type: ignore[misc]
    """fsspec's FTP, which reads a file's size and time with RFC 3659's ``MLST``, else with ``SIZE`` and ``MDTM``."""

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:  # noqa: FBT001, FBT002 (as in fsspec)
        """List a folder, or one file.

        Raises:
            FileNotFoundError: the path does not exist.
            PermissionError: the server refuses to list it.
            TransientError: the server could not list it now.
        """
        path = self._strip_protocol(path)
        try:
            entries: list[Any] = super().ls(path, detail, **options)
        except FileNotFoundError as error:
            if isinstance(error.__cause__, error_temp):
                raise TransientError(f"{path}: {error.__cause__}") from None
            raise
        if not entries:
            self._check_that_it_is_empty(path)
        return entries

    def _check_that_it_is_empty(self, folder: str) -> None:
        """List a folder again, for the answer that fsspec takes for that of an empty one."""
        try:
            answer = self.ftp.retrlines(f"LIST {folder}", lambda _: None)
        except (error_perm, error_temp) as error:
            if folder in self.dircache:  # MLSD succeeded; some servers have no LIST, or refuse that of an empty folder
                return
            refused = PermissionError if isinstance(error, error_perm) else TransientError
            raise refused(f"{folder}: {error}") from None
        if "failed to open" in answer:  # vsftpd ends such a listing with 226, as if it had succeeded
            raise PermissionError(f"{folder}: {answer}")
        if folder not in self.dircache:
            raise TransientError(f"{folder}: the server did not list it at first")

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Return type, size and, as ``modify``, the time of a file; from a listing only if the server has no command.

        Raises:
            FileNotFoundError: its folder does not list it either.
        """
        path = self._strip_protocol(path)
        if path == self.root_marker:
            return dict(super().info(path, **options))
        found = self._read_facts(path) or self._read_size_and_time(path) or super().info(path, **options)
        return {**found, "name": path}

    def _read_facts(self, path: str) -> dict[str, Any] | None:
        """Return what ``MLST`` reports; None of a link, and without size or time."""
        try:
            lines = self.ftp.sendcmd(f"MLST {path}").splitlines()
        except error_perm:
            return None
        line = next((line for line in lines if line.startswith(" ")), "")
        pairs = (fact.partition("=") for fact in line.lstrip().partition(" ")[0].split(";"))
        facts: dict[str, Any] = {name.lower(): value for name, _, value in pairs if name}
        kind = facts.get("type", "").lower()
        if kind in ("dir", "cdir", "pdir"):
            return facts | {"type": "directory", "size": 0}
        if kind != "file" or not facts.get("size", "").isdecimal() or not facts.get("modify"):
            return None
        return facts | {"type": "file", "size": int(facts["size"])}

    def _read_size_and_time(self, path: str) -> dict[str, Any] | None:
        """Return what ``SIZE`` and ``MDTM`` report; None of a folder, of which some servers report them, too."""
        try:
            self.ftp.voidcmd("TYPE I")  # in text mode, servers refuse to count
            size, time = self.ftp.size(path), self.ftp.sendcmd(f"MDTM {path}").partition(" ")[2].strip()
        except error_perm:
            return None
        if size is None or not time or self._is_folder(path):
            return None
        return {"type": "file", "size": size, "modify": time}

    def _is_folder(self, path: str) -> bool:
        try:
            self.ftp.cwd(path)  # no other command depends on it: all paths are absolute
        except error_perm:
            return False
        return True
