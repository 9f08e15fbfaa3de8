#!/usr/bin/env bash
# Passes every check: style, types, architecture, then the tests with a real engine. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
scripts/virtual-environment --dev
export PATH="$PWD/.venv/bin:$PATH"
# Downloads leave the processors to the checks.
scripts/test-programs &
programs=$!
scripts/lint || { wait; exit 1; }
wait "$programs"
echo "==> Running the tests, ${SECONDS} s after the start" >&2
exec pytest --numprocesses=auto --durations=25 --durations-min=10 "$@"
