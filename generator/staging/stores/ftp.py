"""FTP that asks for one file, where fsspec's own file system lists the whole folder of it."""

from __future__ import annotations

from ftplib import error_perm
from typing import Any

from fsspec.implementations.ftp import FTPFileSystem


class SingleFileFtp(FTPFileSystem):  # type: ignore[misc]
    """Reads a file's size and time with RFC 3659's ``MLST``, else with ``SIZE`` and ``MDTM``."""

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
