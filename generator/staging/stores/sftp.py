"""SFTP with verified host keys, which fsspec's own file system does not verify."""

from __future__ import annotations

from typing import Any

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem


class KnownHostsFileSystem(SFTPFileSystem):  # type: ignore[misc]
    """Connects only to hosts in the configuration folder's ``known_hosts``, or the user's own."""

    protocol = ("packmill-sftp",)
    cachable = False

    def __init__(self, host: str, *, known_hosts: str = "", silence: float = 60.0, **ssh_kwargs: Any) -> None:
        self._known_hosts, self._silence = known_hosts, silence
        super().__init__(host, **ssh_kwargs)

    def _connect(self) -> None:
        self.client = paramiko.SSHClient()
        if self._known_hosts:
            self.client.load_host_keys(self._known_hosts)
        else:
            self.client.load_system_host_keys()
        self.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            self.client.connect(self.host, **self.ssh_kwargs)
            self.ftp = self.client.open_sftp()
        except BaseException:
            self.end_connection()
            raise
        channel = self.ftp.get_channel()
        if channel:
            channel.settimeout(self._silence)

    def end_connection(self) -> None:
        """Close the connection; paramiko keeps its thread and its socket until then."""
        self.client.close()
