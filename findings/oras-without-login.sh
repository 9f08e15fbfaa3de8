#!/usr/bin/env bash
# oras 0.2.43 (the Python client) waits for more than two minutes when a registry requires a login and none is configured.
#
# A registry with basic authentication answers 401 to a request without a login, as the distribution specification
# requires. oras's BasicAuth then reads an attribute that is set only by set_basic_auth() or a login in a configuration
# file, and its retry decorator treats the AttributeError as a temporary failure: it retries after pauses of 3, 5, 11, 29
# and 83 seconds before it raises the AttributeError. A user who forgets to log in sees nothing for that long, and then
# an error that does not mention the login.
# The script counts requests and pauses; it replaces time.sleep so that it ends at once.
set -euo pipefail
version=0.2.43
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "oras==$version"

cat > unknown.py << 'PYTHON'
import http.server
import threading
import time

import oras.provider

asked = []


class Private(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.headers.get("Authorization"))
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="registry"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Private)
threading.Thread(target=server.serve_forever, daemon=True).start()
pauses = []
time.sleep = pauses.append

name = f"127.0.0.1:{server.server_port}"
registry = oras.provider.Registry(hostname=name, insecure=True, auth_backend="basic")
try:
    registry.get_manifest(f"{name}/trees:main")
    ended = "no error"
except Exception as error:
    ended = type(error).__name__
print(f"pauses {pauses}, {sum(pauses)} s in all; {len(asked)} requests; then {ended}")
PYTHON
printed=$(venv/bin/python unknown.py 2> /dev/null)
echo "$printed"
case "$printed" in
"pauses [3, 5, 11, 29, 83], 131 s in all; 6 requests; then AttributeError") echo "as described: 131 seconds without a word" ;;
*)
    echo "changed: the behavior is not as described" >&2
    exit 1
    ;;
esac
