#!/usr/bin/env bash
# bash_kernel 0.10.0 replies "ok" to a cell that ends its shell, and runs the next cells in a new one without variables.
#
# "set -e" is how people make a bash notebook stop at a failure. The failing command then ends the shell of the kernel, which
# prints "Restarting Bash", starts another shell and reads $? from that one: 0. The cell counts as a success, and so does
# the run, whose later cells work with empty variables and without "set -e".
# The script runs such a notebook with papermill 2.7.0 and prints its exit code and what the last cell sees.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check papermill==2.7.0 bash-kernel==0.10.0 2> /dev/null
export PATH="$folder/venv/bin:$PATH" HOME="$folder"
python -m bash_kernel.install --sys-prefix > /dev/null 2>&1

python - << 'PYTHON'
import json

cells = [
    {"cell_type": "code", "execution_count": None, "id": f"cell-{number}", "metadata": {}, "outputs": [], "source": source}
    for number, source in enumerate(["set -e\nname=data", "ls /no/such/folder", 'echo "[$name]"'])
]
kernelspec = {"display_name": "Bash", "language": "bash", "name": "bash"}
notebook = {"cells": cells, "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}
with open("in.ipynb", "w") as file:
    json.dump(notebook, file)
PYTHON

code=0
papermill --no-progress-bar in.ipynb out.ipynb 2> log || code=$?
seen=$(python -c '
import json
outputs = json.load(open("out.ipynb"))["cells"][2]["outputs"]
print("".join("".join(output["text"]) for output in outputs).strip())
')
echo "papermill: exit code $code; the cell after the failure sees name=$seen"
if [ "$code $seen" != "0 []" ]; then
    echo "changed: the exit code was 0, and name was empty" >&2
    exit 1
fi
