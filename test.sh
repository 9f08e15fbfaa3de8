#!/usr/bin/env bash
# Passes every check: style, types, architecture, then the tests with a real engine. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
scripts/virtual-environment --dev
export PATH="$PWD/.venv/bin:$PATH"
scripts/lint
scripts/test-programs
exec pytest --numprocesses=auto "$@"
