#!/usr/bin/env bash
# cwl-normalizer of cwl-utils 0.45 forgets that an output is a tool's stdout, so the normalized tool fails.
#
# The program writes documents in one form, for tools that do not know all of CWL: lists instead of maps, references resolved, one process
# a document. `type: stdout` is short for a File whose glob is the name of the tool's stdout (CWL 1.2, CommandLineTool, stdout). The
# program replaces the type by File and adds no glob: cwltool accepts the document, runs the tool, and refuses its missing result.
# The choices of an enum become addresses of files in the folder of the first document, such as file:///home/ada/show.cwl#unit/celsius,
# so the result differs between folders, and has the path of a machine in it.
# The script runs a tool before and after it is normalized, and prints how each ended, and how many choices are addresses.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check cwl-utils==0.45 cwltool==3.3.20260925135507 2> /dev/null

cat > show.cwl << 'CWL'
cwlVersion: v1.2
class: CommandLineTool
baseCommand: echo
inputs:
  unit:
    type: {type: enum, symbols: [celsius, fahrenheit]}
    inputBinding: {}
outputs:
  shown: stdout
stdout: unit.txt
CWL

outcome() { # document
    local code=0
    environment/bin/cwltool --quiet --outdir "$folder/out" "$1" --unit celsius > messages 2>&1 || code=$?
    if grep --quiet "the 'shown' field is not valid" messages; then
        echo "exit code $code, no result 'shown'"
    else
        echo "exit code $code"
    fi
}

mkdir normalized
environment/bin/cwl-normalizer normalized show.cwl > /dev/null 2>&1
addresses=$(grep --only-matching --extended-regexp 'file://[^"]*/(celsius|fahrenheit)"' normalized/show.cwl | wc --lines)
output="before: $(outcome show.cwl); normalized: $(outcome normalized/show.cwl); choices that are addresses: $addresses"
echo "$output"
if [ "$output" != "before: exit code 0; normalized: exit code 1, no result 'shown'; choices that are addresses: 2" ]; then
    echo 'changed: the normalized tool had no glob for its stdout, and addresses of files as choices' >&2
    exit 1
fi
