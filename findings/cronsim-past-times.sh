#!/usr/bin/env bash
# cronsim 2.8 returns a "next" time that is before the start, if the start is in the second of two equal hours.
#
# When clocks go back, 02:00 to 03:00 comes twice. For an expression with a fixed hour, cronsim drops the time zone of the
# start, searches in local time, and takes the first of the two hours for what it finds. Asked at the second 02:15 for "30 2 * * *",
# it returns the first 02:30, 45 minutes in the past. A scheduler that stores this time as the next one, such as one that starts in
# this hour, runs a nightly job a second time at once.
# The script (Python 3.11 or later) asks for the next two times at the first 02:15 and at the second.
set -euo pipefail
version=2.8
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "cronsim==$version" tzdata==2026.6 2> /dev/null

cat > ask.py << 'PYTHON'
from datetime import datetime, timezone
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim

for fold in (0, 1):
    start = datetime(2026, 10, 25, 2, 15, fold=fold, tzinfo=ZoneInfo("Europe/Berlin"))
    found = [time.astimezone(timezone.utc) for time in islice(CronSim("30 2 * * *", start), 2)]
    at = start.astimezone(timezone.utc)
    print(f"{at:%H:%M} UTC:", *(f"{time:%d %H:%M} ({'later' if time > at else 'earlier'})" for time in found))
PYTHON

venv/bin/python ask.py | tee found
cat > expected << 'TEXT'
00:15 UTC: 25 00:30 (later) 26 01:30 (later)
01:15 UTC: 25 00:30 (earlier) 26 01:30 (later)
TEXT
if ! diff expected found; then
    echo "changed: the first time after the second 02:15 was in the past" >&2
    exit 1
fi
