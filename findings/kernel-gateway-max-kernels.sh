#!/usr/bin/env bash
# jupyter_kernel_gateway 3.0.1 starts more kernels than max_kernels allows.
#
# The limit is checked by the handler of /api/kernels alone. A session (/api/sessions) starts a kernel without that check,
# although max_kernels is documented as the limit of the kernels of a gateway.
# The script starts a gateway for one kernel, requests three sessions, and prints how many kernels run.
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
    --KernelGatewayApp.max_kernels=1 --JupyterWebsocketPersonality.list_kernels=True > log 2>&1 &
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

for name in ("a", "b", "c"):
    ask("POST", "/api/sessions", {"path": f"{name}.ipynb", "type": "notebook", "kernel": {"name": "python3"}})
refused, _ = ask("POST", "/api/kernels", {})
print(len(ask("GET", "/api/kernels")[1]), refused)
PYTHON
)
echo "with max_kernels=1, kernels that run and the status of a request for another one: $seen"
if [ "$seen" != "3 403" ]; then
    echo "changed: 3 kernels ran, and the status was 403" >&2
    exit 1
fi
