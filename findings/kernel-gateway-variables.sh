#!/usr/bin/env bash
# jupyter_kernel_gateway 3.0.1 gives the variables of one request's kernel to kernels of later requests.
#
# A request may bring variables for its kernel, as every request of Jupyter Server's gateway client does: KERNEL_USERNAME and
# others. For the time of the request, the gateway replaces the function of its kernel manager that starts kernels by one
# with these variables, and puts the earlier one back at the end. Of two requests at once, the second takes the
# first one's function for the original, and leaves it there: every later request without variables gets them.
# The script starts two kernels at once with a variable each, then one without, and prints what the third one has.
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
jupyter kernelgateway --KernelGatewayApp.port="$port" --KernelGatewayApp.port_retries=0 > log 2>&1 &
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

from concurrent.futures import ThreadPoolExecutor


def variable(kernel):
    """Return the variable KERNEL_OWNER of a kernel's process."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = open(f"/proc/{process}/cmdline").read()
            if f"kernel-{kernel['id']}.json" in command:
                lines = open(f"/proc/{process}/environ").read().split("\0")
                return next((line for line in lines if line.startswith("KERNEL_OWNER")), "nothing")
        except OSError:
            continue
    return "no process"


for _ in range(10):
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: ask("POST", "/api/kernels", {"env": {"KERNEL_OWNER": name}}), ("ann", "ben")))
    seen = variable(ask("POST", "/api/kernels", {})[1])
    if seen != "nothing":
        break
print(seen)
PYTHON
)
echo "the kernel of a request without variables has $seen"
case $seen in
    KERNEL_OWNER=*) ;;
    *)
        echo "changed: it had the variable of an earlier request" >&2
        exit 1
        ;;
esac
