#!/usr/bin/env bash
# Passes every check: style, types, architecture, then the tests with a real engine. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
scripts/virtual-environment --basics
# Downloads leave the processors to the other steps.
scripts/test-programs --debian &
debian=$!
scripts/virtual-environment --dev || { wait; exit 1; }
export PATH="$PWD/.venv/bin:$PATH"
scripts/test-programs --environments &
environments=$!
scripts/lint || { wait; exit 1; }
wait "$debian"
wait "$environments"
echo "==> Running the tests, ${SECONDS} s after the start" >&2
exec pytest --numprocesses=auto --durations=25 --durations-min=10 "$@"
