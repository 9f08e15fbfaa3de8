#!/usr/bin/env bash
# OWSLib 0.35.0 sends the headers of one OGC API client to the servers of all others.
#
# The classes of owslib.ogcapi (Processes, Features, Records, ...) take "headers", for example an Authorization header with
# a token. OWSLib adds them to a dictionary of its module that all of its clients share, so each later client of the
# process sends them too: a token for one server reaches every other server that the program talks to. An asynchronous
# execution leaves "Prefer: respond-async" in all later requests in the same way. OWSLib 0.36.0, for Python 3.12 and
# later, has the same lines.
# The script starts two servers, gives the client of the first one a token, and prints what the second one receives.
set -euo pipefail
version=0.35.0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "owslib==$version"

cat > two_servers.py << 'PYTHON'
import http.server
import threading

from owslib.ogcapi.processes import Processes


def start_server():
    received = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            received.append(self.headers.get("Authorization"))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"links": []}')

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/", received


first, _ = start_server()
second, received = start_server()
Processes(first, headers={"Authorization": "Bearer token-of-the-first-server"})
Processes(second)
print(received[0])
PYTHON

received=$(venv/bin/python two_servers.py)
echo "OWSLib $version: the second server receives 'Authorization: $received'"
if [ "$received" != "Bearer token-of-the-first-server" ]; then
    echo "changed: the second server received '$received'" >&2
    exit 1
fi
