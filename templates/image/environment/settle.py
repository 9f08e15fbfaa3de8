"""Runs a command of an image's build and settles what it wrote: everything new is as old as everything else.

Layers hold times of change, so two builds of the same thing differ unless something takes the times out. Caches, logs
and package lists that no run reads are removed too. Runs as root, by the base image's Python.

    python3 settle.py COMMAND [ARGUMENT ...]
"""

import os
import shutil
import subprocess
import sys
import time

EPOCH = 315532800
"""1980-01-01, the oldest time that a zip file (and so a wheel) can hold."""
NOISE = (
    "/var/log",
    "/var/cache/apt",
    "/var/cache/ldconfig/aux-cache",
    "/var/cache/debconf",
    "/var/lib/apt/lists",
    "/root/.cache",
)


def settle(top: str = "/", *, since: float = 0.0) -> None:
    """Sets the time of everything below ``top`` that changed after ``since``; other file systems are left alone."""
    device = os.lstat(top).st_dev
    for root, folders, files in os.walk(top, topdown=False):
        for name in (*files, *folders, ""):
            path = os.path.join(root, name) if name else root
            try:
                status = os.lstat(path)
                if status.st_dev == device and status.st_ctime >= since and status.st_mtime != EPOCH:
                    os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
            except OSError:  # /proc and its like
                continue


def remove_noise(*, since: float) -> None:
    """Removes what changed after ``since`` in folders of logs and caches."""
    for top in NOISE:
        if os.path.isfile(top) and os.lstat(top).st_ctime >= since:
            os.remove(top)
        for root, _, files in os.walk(top):
            for name in files:
                path = os.path.join(root, name)
                if os.lstat(path).st_ctime >= since:
                    os.remove(path)


def main() -> int:
    """The command's exit code."""
    started = time.time() - 0.1  # file systems keep time less exactly than clocks do
    code = subprocess.run(sys.argv[1:], check=False).returncode
    if code == 0:
        remove_noise(since=started)
        for root in [name for name in os.listdir("/") if name not in ("proc", "sys", "dev")]:
            path = os.path.join("/", root)
            if not os.path.islink(path) and os.path.isdir(path) and not os.path.ismount(path):
                settle(path, since=started)
    return code


if __name__ == "__main__":
    if shutil.which(sys.argv[1]) is None:
        sys.exit(f"{sys.argv[1]}: not found")
    sys.exit(main())
