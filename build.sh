#!/usr/bin/env bash
# The entry of a pipeline and a newcomer's first command: installs packmill in .venv, then runs it.
# Variables: repository, checkout, process, env, ... (see: packmill ci --help). Without variables, it builds and runs an example.
# An argument is a stage of .gitlab-ci.yml: build, check, publish, run or map.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${PACKMILL_VENV:-$here/.venv}
if [ -z "${PACKMILL_VENV:-}" ]; then "$here/scripts/virtual-environment"; fi
export PATH="$venv/bin:$PATH" PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
exec "$venv/bin/python" -m generator ci "$@"
