"""Run a command of an image's build, and set the times of all files that it wrote to a fixed one.

Layers contain modification times, so without that two builds of the same files differ. Caches, logs and package lists,
which no run reads, are restored. Runs as root with the base image's Python.

    python3 settle.py MINUTES COMMAND [ARGUMENT ...]

The time is MINUTES after the beginning of 1980, different for each step: otherwise a file that a step overwrites with
the same bytes would look unchanged to an engine that computes a layer by comparison, as Docker does if the layer below
is older than the daemon.
"""

import os
import pathlib
import shutil
import stat
import subprocess
import sys
from time import time as now

EPOCH = 315532800
"""1980-01-01, the oldest time that a zip file (and so a wheel) can contain."""
NOISE = (
    "/var/log",
    "/var/cache/apt",
    "/var/cache/ldconfig/aux-cache",
    "/var/cache/debconf",
    "/var/lib/apt/lists",
    "/root/.cache",
)


def settle(top: str = "/", *, since: float = 0.0, time: int = EPOCH) -> None:
    """Set the time of everything below ``top`` that changed after ``since``, except on other file systems."""
    device = os.lstat(top).st_dev
    for root, folders, files in os.walk(top, topdown=False):
        for name in (*files, *folders, ""):
            path = os.path.join(root, name) if name else root
            try:
                status = os.lstat(path)
                if status.st_dev == device and status.st_ctime >= since and status.st_mtime != time:
                    os.utime(path, (time, time), follow_symlinks=False)
            except OSError:  # e.g. in /proc
                continue


def read_noise() -> dict[str, tuple[bytes, os.stat_result]]:
    """Read the regular files in folders of logs and caches."""
    paths = [top for top in NOISE if os.path.isfile(top)]
    paths += [os.path.join(root, name) for top in NOISE for root, _, files in os.walk(top) for name in files]
    regular = [path for path in paths if stat.S_ISREG(os.lstat(path).st_mode)]
    return {path: (pathlib.Path(path).read_bytes(), os.lstat(path)) for path in regular}


def restore(before: dict[str, tuple[bytes, os.stat_result]], *, since: float) -> None:
    """Restore folders of logs and caches to their state ``before``.

    New files are removed. Earlier files get their content back: a removed file of a lower layer would leave a whiteout
    in the layer, with the time of the build.
    """
    for path in read_noise():
        if path not in before:
            os.remove(path)
    for path, (content, status) in before.items():
        if not os.path.lexists(path) or os.lstat(path).st_ctime >= since:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            pathlib.Path(path).write_bytes(content)
            os.chown(path, status.st_uid, status.st_gid)
            os.chmod(path, stat.S_IMODE(status.st_mode))


def main(minutes: int, command: list[str]) -> int:
    """Run the command; return its exit code."""
    before = read_noise()
    started = now() - 0.1  # file systems store times less precisely than the clock
    code = subprocess.run(command, check=False).returncode
    if code == 0:
        restore(before, since=started)
        for root in [name for name in os.listdir("/") if name not in ("proc", "sys", "dev")]:
            path = os.path.join("/", root)
            if not os.path.islink(path) and os.path.isdir(path) and not os.path.ismount(path):
                settle(path, since=started, time=EPOCH + 60 * minutes)
    return code


if __name__ == "__main__":
    if shutil.which(sys.argv[2]) is None:
        sys.exit(f"{sys.argv[2]}: not found")
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
