#!/usr/bin/env bash
# jupyter_scheduler 2.12.1 injects the parameter 2026-11-30 as a subtraction, and its job completes with the number 1985.
#
# The API of notebook jobs takes parameters as texts and writes each as `name = text` into the injected cell, without
# quotes, also where the notebook's own default is a text. A date is arithmetic then; a word is the name of a variable.
# A job that was accepted and has not begun has the status STOPPED, the same as one that a user has stopped, so a
# program that follows a job cannot tell them apart. A failed job has no end time; a completed one has.
# The script sends a job with a date and one that fails, follows them, and prints what the API and the notebook have.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    jupyter_scheduler==2.12.1 jupyter_server==2.21.1 ipykernel==7.4.0 nbconvert==7.17.1 2> /dev/null
mkdir notebooks data # the extension does not load without the folder of data
export PATH="$folder/venv/bin:$PATH" HOME="$folder" JUPYTER_DATA_DIR="$folder/data" PYTHONPATH=
port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
jupyter server --allow-root --no-browser --ServerApp.port="$port" --ServerApp.port_retries=0 \
    --IdentityProvider.token=local --ServerApp.root_dir="$folder/notebooks" > log 2>&1 &
server=$!

seen=$(python - "$port" << 'PYTHON'
import glob, json, sys, time, urllib.error, urllib.request

import nbformat

port = sys.argv[1]


def ask(method, path, body=None):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=body and json.dumps(body).encode(),
        headers={"Authorization": "token local"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())


def write(name, *sources):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(notebook, f"notebooks/{name}")


def run(name, parameters):
    """Return the first status, the last description, and what the notebook printed."""
    wanted = {
        "name": "a job",
        "input_uri": name,
        "parameters": parameters,
        "runtime_environment_name": "venv",
        "output_formats": ["ipynb"],
    }
    job = ask("POST", "/scheduler/jobs", wanted)["job_id"]
    first = ask("GET", f"/scheduler/jobs/{job}")["status"]
    described = {}
    while described.get("status") not in ("COMPLETED", "FAILED"):
        time.sleep(0.2)
        described = ask("GET", f"/scheduler/jobs/{job}")
    executed = [path for path in glob.glob(f"data/*/{job}/*.ipynb") if not path.endswith(f"/{name}")]
    with open(executed[0], encoding="utf-8") as file:
        printed = nbformat.read(file, as_version=4).cells[-1].outputs[0].get("text", "")
    return first, described, printed.strip()


for _ in range(300):
    try:
        ask("GET", "/api")
        break
    except urllib.error.URLError:
        time.sleep(0.1)

write("day.ipynb", "day = '2026-01-01'", "print(repr(day))")
write("fails.ipynb", "day = '2026-01-01'", "1 / 0")
first, completed, printed = run("day.ipynb", {"day": "2026-11-30"})
_, failed, _ = run("fails.ipynb", {})
print(f"before it began: {first}; {completed['status']} with {printed}", end="; ")
print("; ".join(f"{one['status']}: end time {'set' if one['end_time'] else 'missing'}" for one in (completed, failed)))
PYTHON
)
echo "$seen"
if [ "$seen" != "before it began: STOPPED; COMPLETED with 1985; COMPLETED: end time set; FAILED: end time missing" ]; then
    echo 'changed: the date was the number 1985, a waiting job was STOPPED, and a failed one had no end time' >&2
    exit 1
fi
