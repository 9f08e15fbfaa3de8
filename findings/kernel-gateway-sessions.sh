#!/usr/bin/env bash
# jupyter_kernel_gateway 3.0.1 answers 500 to most requests for sessions.
#
# Its session manager returns plain values, while the handlers of Jupyter Server 2, which it uses, wait for them. So
# a session can be created once for each path, but not read, changed, or requested again, as a client does that reopens
# a notebook. After the kernel of a session was shut down, the list of sessions fails as well.
# The script sends these requests and prints the statuses.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    jupyter_kernel_gateway==3.0.1 jupyter_server==2.21.1 jupyter_client==8.10.0 ipykernel==7.4.0 2> /dev/null
export PATH="$folder/venv/bin:$PATH" HOME="$folder" PYTHONPATH=
port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
jupyter kernelgateway --KernelGatewayApp.port="$port" --KernelGatewayApp.port_retries=0 \
    --JupyterWebsocketPersonality.list_kernels=True > log 2>&1 &
server=$!

seen=$(python - "$port" "$server" << 'PYTHON'
import json, os, sys, time, urllib.error, urllib.request

port, server = sys.argv[1:]


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, None


for _ in range(300):
    try:
        ask("GET", "/api")
        break
    except urllib.error.URLError:
        time.sleep(0.1)

wanted = {"path": "report.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
created, session = ask("POST", "/api/sessions", wanted)
again, _ = ask("POST", "/api/sessions", wanted)
read, _ = ask("GET", f"/api/sessions/{session['id']}")
changed, _ = ask("PATCH", f"/api/sessions/{session['id']}", {"path": "other.ipynb"})
listed, _ = ask("GET", "/api/sessions")
ask("DELETE", f"/api/kernels/{session['kernel']['id']}")
listed_later, _ = ask("GET", "/api/sessions")
print(created, again, read, changed, listed, listed_later)
PYTHON
)
echo "statuses: create, again, read, change, list, list after the kernel's end: $seen"
if [ "$seen" != "201 500 500 500 200 500" ]; then
    echo "changed: they were 201 500 500 500 200 500" >&2
    exit 1
fi
