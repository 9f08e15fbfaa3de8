#!/usr/bin/env bash
# signal.sigtimedwait of CPython (seen in 3.8.18, 3.9.18, 3.10.13, 3.11.7, 3.12.1 and 3.13.0) returns a signal that nobody sent, after
# a process was suspended for longer than the wait.
#
# Its documentation promises None when the time is over. A stop and a continuation interrupt the wait (signal(7)); the function then
# sees that its time is over, and returns the structure that no signal has filled: the number is what the memory held before. A supervisor
# that passes signals on, such as process 1 of a container, then sends a random one, or ends with "Invalid argument". SIGSTOP
# comes from `scontrol suspend` of Slurm and from job control, for example.
# The script waits for SIGTERM for half a second, suspends the process for longer, and sends no SIGTERM.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > wait.py << 'PYTHON'
import os
import signal
import sys
import time

child = os.fork()
if child == 0:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    received = signal.sigtimedwait({signal.SIGTERM}, 0.5)
    print("nothing" if received is None else "a signal", flush=True)
    os._exit(0)
time.sleep(0.2)
if len(sys.argv) > 1:
    os.kill(child, signal.SIGSTOP)
    time.sleep(1)
    os.kill(child, signal.SIGCONT)
os.waitpid(child, 0)
PYTHON

version=$(python3 -c 'import platform; print(platform.python_version())')
running=$(python3 wait.py) suspended=$(python3 wait.py suspended)
echo "Python $version: a process that runs receives $running, one that was suspended receives $suspended; none was sent"
if [ "$running, $suspended" != "nothing, a signal" ]; then
    echo "changed: a process that was suspended received a signal" >&2
    exit 1
fi
