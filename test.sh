#!/usr/bin/env bash
# Passes every check: style, types, architecture, then the tests with a real engine. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
scripts/virtual-environment --dev
export PATH="$PWD/.venv/bin:$PATH"
scripts/lint
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null && ! { command -v sshd && command -v openssl && command -v docker-registry; } > /dev/null; then
    echo "==> Installing an ssh server, a registry and openssl for the tests" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openssh-server openssl docker-registry > /dev/null
fi
exec pytest "$@"
