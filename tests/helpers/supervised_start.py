"""Start a program whose writes are decided by another process; run by path, with the standard library alone.

Arguments: the number of a Unix socket, then the command. A seccomp filter (seccomp(2), SECCOMP_RET_USER_NOTIF) stops
every system call that may change a file system, in this process and all that it starts; the descriptor that answers
them is sent over the socket.
"""

from __future__ import annotations

import array
import ctypes
import os
import socket
import struct
import sys

_NO_NEW_PRIVS, _SECCOMP, _SET_FILTER, _NEW_LISTENER = 38, 317, 1, 1 << 3
_ALLOW, _NOTIFY, _X86_64 = 0x7FFF0000, 0x7FC00000, 0xC000003E
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_MAY_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

CALLS = {
    "write": 1, "pwrite64": 18, "writev": 20, "pwritev": 296, "pwritev2": 328, "sendfile": 40, "copy_file_range": 326,
    "creat": 85, "ftruncate": 77, "truncate": 76, "fallocate": 285, "fsync": 74, "fdatasync": 75,
    "rename": 82, "renameat": 264, "renameat2": 316, "mkdir": 83, "mkdirat": 258, "link": 86, "linkat": 265,
    "symlink": 88, "symlinkat": 266, "unlink": 87, "unlinkat": 263, "rmdir": 84,
}  # fmt: skip
"""System calls of x86-64 that change a file system, except for those that open files."""
OPENS = {"open": (2, 1), "openat": (257, 2)}
"""System calls that open files, and which argument has the flags; they are stopped if these allow writing."""


def _filter() -> bytes:
    """Return the filter's program (linux/filter.h): four fields for each instruction."""
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _X86_64), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, 0)]
    for number in CALLS.values():
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _NOTIFY)]
    for number, flags in OPENS.values():
        program += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, 16 + 8 * flags), (_ANY_BIT, 0, 1, _MAY_WRITE)]
        program += [(_RETURN, 0, 0, _NOTIFY), (_RETURN, 0, 0, _ALLOW)]
    program.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *one) for one in program)


def supervise() -> int:
    """Let another process decide on this one's writes from now on; return the descriptor for it.

    Raises:
        OSError: the kernel or the container does not allow such filters.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = ctypes.create_string_buffer(_filter())
    header = struct.pack("HxxxxxxQ", (len(instructions) - 1) // 8, ctypes.addressof(instructions))
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    listener = int(libc.syscall(_SECCOMP, _SET_FILTER, _NEW_LISTENER, header))
    if listener < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return listener


def hand_over(channel: socket.socket) -> None:
    """Let the process at the other end decide on this one's writes."""
    listener = supervise()
    channel.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
    os.close(listener)


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        hand_over(channel)
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
