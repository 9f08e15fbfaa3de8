#!/usr/bin/env bash
# pytest-xdist 3.8.0 does not keep the tests of a group on one worker under pytest 9.2.0.
#
# With "--dist loadgroup", tests marked xdist_group("name") are promised to run on the same worker, so that they can share
# a server or a port. pytest-xdist marks each test's group in its private attribute _nodeid, which pytest 9.2.0 no longer
# reads, so the group is lost without a message and the tests are spread over all workers. Under pytest 8.4.2 the same
# tests run on one worker.
# The script runs eight tests of one group on two workers with both versions of pytest and counts the workers used.
set -euo pipefail
xdist=3.8.0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv

cat > test_group.py << 'PYTHON'
import os
import time

import pytest


@pytest.mark.parametrize("number", range(8))
@pytest.mark.xdist_group("together")
def test_member(number):
    time.sleep(0.2)
    with open(os.environ["WORKERS"], "a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\n")
PYTHON

count_workers() {
    venv/bin/pip install --quiet --disable-pip-version-check "pytest==$1" "pytest-xdist==$xdist"
    WORKERS="$folder/workers-$1" venv/bin/python -m pytest -q -n 2 --dist loadgroup -p no:cacheprovider > "log-$1"
    sort -u "workers-$1" | wc -l
}

new=$(count_workers 9.2.0)
old=$(count_workers 8.4.2)
echo "workers that ran one group: $old with pytest 8.4.2, $new with pytest 9.2.0"
if [ "$old" != 1 ] || [ "$new" != 2 ]; then
    echo "changed: a group ran on $new workers with pytest 9.2.0" >&2
    exit 1
fi
