#!/usr/bin/env bash
# papermill 2.7.0 reports cells as completed that the kernel tslab 1.0.22 refused to run.
#
# For 200 ms after a failed cell, tslab replies {"status": "abort"} to every execute_request and runs nothing, even if the
# request has stop_on_error=false (the protocol's word for a cell that may fail; its own status for refused requests is
# "aborted"). nbclient and papermill send the next cell at once and take any reply other than "error" for a success. So the
# cells after one tagged raises-exception are skipped: they have no output, the status "completed", and the exit code is 0.
# The script runs four cells, of which the second one may fail, and prints the output of the others.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check papermill==2.7.0 jupyter-client==8.10.0 ipython 2> /dev/null
npm install --silent --no-fund --no-audit tslab@1.0.22 > /dev/null
export PATH="$folder/node_modules/.bin:$folder/venv/bin:$PATH" HOME="$folder"
tslab install --sys-prefix > log 2>&1

python - << 'PYTHON'
import json

sources = ['console.log("first")', 'throw new Error("expected")', 'console.log("third")', 'console.log("fourth")']
cells = [
    {"cell_type": "code", "execution_count": None, "id": f"cell-{number}", "metadata": {}, "outputs": [], "source": source}
    for number, source in enumerate(sources)
]
cells[1]["metadata"]["tags"] = ["raises-exception"]
kernelspec = {"display_name": "TypeScript", "language": "typescript", "name": "tslab"}
notebook = {"cells": cells, "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}
with open("in.ipynb", "w") as file:
    json.dump(notebook, file)
PYTHON

code=0
papermill --no-progress-bar in.ipynb out.ipynb 2> log || code=$?
found=$(python -c '
import json
cells = json.load(open("out.ipynb"))["cells"]
for number in (0, 2, 3):
    text = "".join("".join(output.get("text", "")) for output in cells[number]["outputs"]).strip()
    print(cells[number]["metadata"]["papermill"]["status"], repr(text))
')
echo "papermill: exit code $code; cells 1, 3 and 4:"
echo "$found"
if [ "$code" != 0 ] || [ "$found" != "completed 'first'
completed ''
completed ''" ]; then
    echo "changed: cells 3 and 4 were completed without output, and the exit code was 0" >&2
    exit 1
fi
