"""The start of a user's server, as this user: ``python -m … PARENT HOME own|shared OPTION…``.

The server ends when the service ends, however that happens (prctl(2), PR_SET_PDEATHSIG), and then lets running runs
finish as after any SIGTERM. A change of the user would cancel this, so it is asked for here.

A home in a folder that others can write to, such as /tmp, is created, and has to be no one else's.
"""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def main(parent: str, home: str, kind: str, *options: str) -> None:
    """Serve the notebooks of a home until the service ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("packmill-runner: the service has ended")
    folder = Path(home)
    try:
        if kind == "shared":
            folder.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat()  # one look, since another user of /tmp can replace what is not a folder of this uid
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                sys.exit(f"packmill-runner: home {home}: does not belong to uid {os.getuid()}, or is a link")
        os.chdir(folder)
    except OSError as error:
        sys.exit(f"packmill-runner: home {home}: {error.strerror}")
    sys.argv[1:] = ["serve", *options]
    from generator.runner.__main__ import start

    start()


if __name__ == "__main__":
    main(*sys.argv[1:])
