#!/usr/bin/env bash
# StreamFlow 0.1.6 fails on a scatter over an empty list that gathers files, and accepts a choice that an enum lacks.
#
# An empty list gives no jobs and an empty list of results (CWL 1.2, Workflow, scatter), such as a search without hits.
# With an output of type File[] the run ends with a TypeError; with one of type string[] it returns the empty list. A value
# outside of the symbols of an enum is handed to the tool, and the run succeeds; cwltool refuses the job.
# The script runs a workflow with each of two kinds of outputs and an empty list, and a tool with a wrong choice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check streamflow==0.1.6 2> /dev/null

cat > show.cwl << 'CWL'
cwlVersion: v1.2
class: CommandLineTool
baseCommand: echo
inputs:
  unit: {type: string, inputBinding: {}}
outputs:
  shown: stdout
stdout: unit.txt
CWL
cat > files.cwl << 'CWL'
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {units: "string[]"}
outputs:
  shown: {type: "File[]", outputSource: show/shown}
steps:
  show: {run: show.cwl, scatter: unit, in: {unit: units}, out: [shown]}
CWL
cat > texts.cwl << 'CWL'
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {units: "string[]"}
outputs:
  shown: {type: "string[]", outputSource: show/shown}
steps:
  show:
    run:
      class: ExpressionTool
      requirements: {InlineJavascriptRequirement: {}}
      inputs: {unit: string}
      outputs: {shown: string}
      expression: '${ return {shown: inputs.unit}; }'
    scatter: unit
    in: {unit: units}
    out: [shown]
CWL
cat > choice.cwl << 'CWL'
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
echo 'units: []' > empty.yml
echo 'unit: kelvin' > kelvin.yml

outcome() { # document, inputs
    local code=0
    venv/bin/cwl-runner --quiet --outdir "$folder/out" "$1" "$2" > "$1.out" 2> "$1.err" || code=$?
    echo "exit code $code$(grep --only-matching '^TypeError' "$1.err" | sed 's/^/, /')"
}

output="files of an empty list: $(outcome files.cwl empty.yml); texts: $(outcome texts.cwl empty.yml)"
output="$output; a choice outside of the enum: $(outcome choice.cwl kelvin.yml), $(find out -name unit.txt -exec cat {} +)"
echo "$output"
expected='files of an empty list: exit code 1, TypeError; texts: exit code 0; a choice outside of the enum: exit code 0, kelvin'
if [ "$output" != "$expected" ]; then
    echo 'changed: an empty scatter of files ended with a TypeError, and the choice kelvin was accepted' >&2
    exit 1
fi
