#!/usr/bin/env bash
# ruamel.yaml 0.19.1 takes time in proportion to the square of a list's length to copy it; cwltool copies the inputs of each document.
#
# A list that was loaded with its comments (`YAML()`, the default) keeps the line and column of each item. `copy.deepcopy` copies these
# positions, of all items, once for each item that it copies; for a mapping it copies them once. So a list of 2,000 numbers took 6 s to
# copy, a plain one 1 ms. cwltool copies each document of CWL 1.2 when it updates it to its own version, after it has made lists of the
# inputs and of the inputs of steps: it validated a workflow of 100 inputs, and a tool with as many, in 1.4 s of processor time, one of
# 800 in 14 s.
# The script counts how often positions are copied: for a list and a mapping of 200 items, and while cwltool validates workflows of
# 50 and of 100 inputs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check ruamel.yaml==0.19.1 cwltool==3.3.20260925135507 2> /dev/null

cat > count.py << 'PYTHON'
import copy
import sys

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

positions = {"lists": 0, "mappings": 0}


def count_copies(kind, name):
    original = kind.copy_attributes

    def counted(self, target, memo=None):
        positions[name] += len(self.lc.data or ()) if memo is not None else 0
        return original(self, target, memo=memo)

    kind.copy_attributes = counted


count_copies(CommentedSeq, "lists")
count_copies(CommentedMap, "mappings")
if sys.argv[1] == "copy":
    copy.deepcopy(YAML().load("\n".join(f"- {number}" for number in range(200))))
    copy.deepcopy(YAML().load("\n".join(f"n{number}: {number}" for number in range(200))))
    print(f"list of 200: {positions['lists']} positions; mapping of 200: {positions['mappings']}")
else:
    from cwltool.main import main

    code = main(["--validate", sys.argv[1]], stdout=sys.stderr)
    print(positions["lists"] if code == 0 else f"exit code {code}")
PYTHON

workflow() { # number of inputs
    local number
    echo 'cwlVersion: v1.2'
    echo 'class: Workflow'
    echo 'outputs: []'
    echo 'inputs:'
    for ((number = 1; number <= $1; number++)); do echo "  n$number: int"; done
    echo 'steps:'
    echo '  one:'
    echo '    run: {class: CommandLineTool, baseCommand: "true", inputs: [], outputs: []}'
    echo '    out: []'
    echo '    in:'
    for ((number = 1; number <= $1; number++)); do echo "      n$number: n$number"; done
}

workflow 50 > small.cwl
workflow 100 > large.cwl
small=$(environment/bin/python count.py small.cwl 2> messages)
large=$(environment/bin/python count.py large.cwl 2> messages)
output="$(environment/bin/python count.py copy); twice the inputs of a workflow: $(((10 * large / small + 5) / 10)) times the positions"
echo "$output"
if [ "$output" != "list of 200: 40000 positions; mapping of 200: 200; twice the inputs of a workflow: 4 times the positions" ]; then
    echo 'changed: to copy a list copied the positions of all items once for each item' >&2
    exit 1
fi
