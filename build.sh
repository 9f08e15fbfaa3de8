#!/usr/bin/env bash
# The pipeline's entry and a newcomer's first command: makes .venv with packmill in it, and lets packmill do the rest.
# Variables: repository, checkout, process, env (see: packmill ci --help). Without any, it builds and runs an example.
set -euo pipefail
start=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"

missing() {
    echo "build.sh: $1" >&2
    exit 19
}

has_python() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2> /dev/null
}

find_python() {
    for python in "${PYTHON:-python3}" python3.13 python3.12 python3.11 python3.10; do
        if has_python "$python"; then return 0; fi
    done
    return 1
}

install_basics() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
        missing "git and Python 3.10 or newer with venv are needed: install them (Debian: apt-get install git python3 python3-venv)"
    fi
    echo "==> Installing git and Python from Debian's packages" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        ca-certificates git python3 python3-venv > /dev/null
}

make_environment() {
    echo "==> Making the virtual environment .venv" >&2
    rm -rf .venv
    if command -v uv > /dev/null; then
        uv venv --quiet --python "$python" .venv
        uv pip install --quiet --python .venv/bin/python --requirement requirements.lock --editable .
    else
        "$python" -m venv .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock --editable .
    fi
    cp requirements.lock .venv/requirements.lock
}

if ! command -v git > /dev/null || ! find_python; then install_basics; fi
find_python || missing "no Python 3.10 or newer with venv is here: install one, or name it in PYTHON"
if ! cmp -s requirements.lock .venv/requirements.lock || ! .venv/bin/packmill --version > /dev/null 2>&1; then
    make_environment
fi
root=$PWD
cd "$start"
PATH="$root/.venv/bin:$PATH" exec "$root/.venv/bin/packmill" ci
