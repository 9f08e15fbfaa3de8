#!/usr/bin/env bash
# IPython 9.18.1 runs an annotated assignment as a magic command if it is the only line of a cell.
#
# "time: float = 5.0" is valid Python, and a common parameters cell. IPython's automagic runs it as %time with the argument
# ": float = 5.0", which fails; a tool that injects values after this cell never reaches them. Without the annotation
# ("time = 5.0"), or with a second line in the cell, it is an assignment. All names of magic commands are affected.
# The script runs notebooks by papermill 2.7.0: one line with an annotation, one without, and two lines.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check ipython==9.18.1 ipykernel==7.4.0 papermill==2.7.0 2> /dev/null
export PATH="$folder/venv/bin:$PATH"

result() { # source of the parameters cell
    python - "$1" << 'PYTHON'
import json, sys

def cell(source, tags=()):
    return {"cell_type": "code", "execution_count": None, "id": str(len(source)), "metadata": {"tags": list(tags)}, "outputs": [], "source": source}

kernelspec = {"display_name": "Python", "language": "python", "name": "python3"}
cells = [cell(sys.argv[1], ["parameters"]), cell("assert time == 5.0")]
with open("in.ipynb", "w") as file:
    json.dump({"cells": cells, "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}, file)
PYTHON
    if papermill --no-progress-bar in.ipynb out.ipynb > log 2>&1; then
        echo succeeds
    else
        grep -oE '^[A-Za-z]*Error' log | tail -1
    fi
}

annotated=$(result 'time: float = 5.0') plain=$(result 'time = 5.0') two=$(result $'time: float = 5.0\nother = 1')
echo "time: float = 5.0: $annotated; time = 5.0: $plain; with a second line: $two"
if [ "$annotated|$plain|$two" != "SyntaxError|succeeds|succeeds" ]; then
    echo "changed: one annotated line raised SyntaxError" >&2
    exit 1
fi
