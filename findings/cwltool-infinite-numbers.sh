#!/usr/bin/env bash
# cwltool 3.3.20260925135507 writes an infinite float of a job into a JSON file as Infinity, which is not JSON.
#
# A job may give .inf or .nan (YAML) for an input of type float. InitialWorkDirRequirement with "entry: $(inputs)" serializes
# the inputs "as JSON text" (CWL v1.2, "Dirent"). The file then has the word Infinity, which JSON lacks: Python reads it, jq,
# JavaScript and most other parsers do not. With the expression $(JSON.stringify(inputs)) the same value is null instead, so
# the tool runs as if none were given.
# The script runs a tool that copies this file, for both expressions, and prints what it got.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cwltool==3.3.20260925135507 2> /dev/null
export PATH="$folder/venv/bin:$PATH"

run() { # expression
    cat > tool.cwl << CWL
cwlVersion: v1.2
class: CommandLineTool
requirements:
  InlineJavascriptRequirement: {}
  InitialWorkDirRequirement: {listing: [{entryname: inputs.json, entry: $1}]}
baseCommand: [cat, inputs.json]
inputs: {limit: float}
outputs: {text: stdout}
stdout: got.json
CWL
    echo 'limit: .inf' > job.yml
    cwltool --quiet tool.cwl job.yml > /dev/null
    tr -d ' ' < got.json
}

# shellcheck disable=SC2016 # an expression of CWL
whole=$(run '$(inputs)') script=$(run '$(JSON.stringify(inputs))')
echo "entry: \$(inputs) writes $whole; \$(JSON.stringify(inputs)) writes $script"
if [ "$whole|$script" != '{"limit":Infinity}|{"limit":null}' ]; then
    echo 'changed: the files had {"limit":Infinity} and {"limit":null}' >&2
    exit 1
fi
