"""Files as responses of the services, opened before the response begins.

Starlette looks for a file when it sends it, and again when it reads it: a file that is removed in between would be an
error of the server, or end a response in the middle.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from mimetypes import guess_type
from pathlib import Path

from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from generator.shared.regular_files import NotRegularFileError, open_regular_file


class OpenedFileResponse(FileResponse):
    """A file, whole or in ranges (RFC 9110, 14.2), as it is now: it may be removed or replaced while it is sent."""

    def __init__(
        self,
        path: Path,
        *,
        media_type: str | None = None,
        filename: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Open the file; its name tells the media type if that is not given.

        Raises:
            FileNotFoundError: there is no regular file at the path.
            OSError: it cannot be opened.
        """
        try:
            self._file = open_regular_file(path)  # closed with this response, also if that is never sent
        except NotRegularFileError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
        super().__init__(
            f"/proc/self/fd/{self._file.fileno()}",
            media_type=media_type or guess_type(path.name)[0],
            filename=filename,
            headers=headers,
            stat_result=os.fstat(self._file.fileno()),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        with self._file:
            await super().__call__(scope, receive, send)
