#!/usr/bin/env bash
# python -m cwltool (3.3.20260925135507) ends with 0, also when the tool or the workflow fails.
#
# The command cwltool ends with 1 if a process fails. The module form drops that number. A CI job or a Makefile that calls
# python -m cwltool, to choose one of several Pythons, passes on every failure.
# python -m cwltool.main ends with the right number.
# The script runs a tool that fails in the three forms, and prints how each ends.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cwltool==3.3.20260925135507 2> /dev/null
export PATH="$folder/venv/bin:$PATH"

cat > fails.cwl << 'CWL'
cwlVersion: v1.2
class: CommandLineTool
baseCommand: "false"
inputs: []
outputs: []
CWL

code() { # words of the command
    local code=0
    "$@" --quiet fails.cwl > /dev/null 2>&1 || code=$?
    echo "$code"
}

command=$(code cwltool) module=$(code python -m cwltool) main=$(code python -m cwltool.main)
echo "a tool that fails: cwltool ends with $command, python -m cwltool with $module, python -m cwltool.main with $main"
if [ "$command $module $main" != "1 0 1" ]; then
    echo "changed: they ended with 1, 0 and 1" >&2
    exit 1
fi
