#!/usr/bin/env bash
# cwl-graph-split of cwl-utils 0.45 leaves $namespaces out of the documents that it writes, so their workflow refuses its own inputs.
#
# The program splits a packed document, which is what registries and OGC platforms take (OGC 20-089), into a document per process.
# The prefixes of the packed document are defined once, next to $graph. The new documents use them and do not define them. cwltool
# takes a prefixed name in them for another one: the workflow with the format edam:format_3750 (CSV) accepted an input of the format
# http://edamontology.org/format_3750 as a packed document, and refuses it when it is split.
# The script runs a workflow on the same job before and after the split, and prints how each ended.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check cwl-utils==0.45 cwltool==3.3.20260925135507 2> /dev/null

cat > packed.cwl << 'CWL'
cwlVersion: v1.2
$namespaces: {edam: "http://edamontology.org/"}
$graph:
- class: CommandLineTool
  id: show
  baseCommand: cat
  inputs: {table: {type: File, format: edam:format_3750, inputBinding: {}}}
  outputs: {copy: stdout}
  stdout: copy.csv
- class: Workflow
  id: main
  inputs: {table: {type: File, format: edam:format_3750}}
  outputs: {copy: {type: File, outputSource: step/copy}}
  steps:
    step: {run: "#show", in: {table: table}, out: [copy]}
CWL
echo 'city,degrees' > cities.csv
echo '{"table": {"class": "File", "path": "cities.csv", "format": "http://edamontology.org/format_3750"}}' > job.json

outcome() { # document
    local code=0
    environment/bin/cwltool --quiet --outdir "$folder/out" "$1" job.json > said 2>&1 || code=$?
    if grep --quiet 'Expected value .* to have format' said; then
        echo "exit code $code, incompatible format"
    else
        echo "exit code $code"
    fi
}

mkdir split
environment/bin/cwl-graph-split --outdir split --mainfile main.cwl packed.cwl
output="packed: $(outcome packed.cwl); split: $(outcome split/main.cwl); namespaces: $(cat split/*.cwl | grep --count 'namespaces' || true)"
echo "$output"
if [ "$output" != 'packed: exit code 0; split: exit code 1, incompatible format; namespaces: 0' ]; then
    echo 'changed: the split documents had no namespaces, and the workflow refused its input' >&2
    exit 1
fi
