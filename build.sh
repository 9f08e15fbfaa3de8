#!/usr/bin/env bash
# The pipeline's entry and a newcomer's first command: makes .venv with packmill in it, and lets packmill do the rest.
# Variables: repository, checkout, process, env (see: packmill ci --help). Without any, it builds and runs an example.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$here/scripts/virtual-environment"
PATH="$here/.venv/bin:$PATH" exec "$here/.venv/bin/packmill" ci
