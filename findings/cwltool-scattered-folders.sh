#!/usr/bin/env bash
# cwltool 3.3.20260925135507 cannot gather folders of one name.
#
# A step scatters over two values. Each run writes the folder `output` with a file, and the workflow's output is the list
# of these folders (Directory[]). cwltool moves the first folder to --outdir. The file of the second gets the name
# `file_2` in the same folder, from where cwltool then reads it before it is written: "Unhandled error: No such file or
# directory", no output object, and code 1, after all runs have succeeded. Folders of different names are gathered.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cwltool==3.3.20260925135507

cat > scatter.cwl << 'CWL'
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {values: "string[]", names: "string[]"}
steps:
  run:
    run:
      class: CommandLineTool
      baseCommand: [sh, -ec, 'mkdir "$1"; echo "$0" > "$1/file"']
      inputs:
        value: {type: string, inputBinding: {position: 1}}
        name: {type: string, inputBinding: {position: 2}}
      outputs: {folder: {type: Directory, outputBinding: {glob: "output*"}}}
    in: {value: values, name: names}
    scatter: [value, name]
    scatterMethod: dotproduct
    out: [folder]
outputs: {folders: {type: "Directory[]", outputSource: run/folder}}
CWL

run() {
    local outdir=$1 first=$2 second=$3
    if venv/bin/cwltool --quiet --outdir "$outdir" scatter.cwl --values a --values b --names "$first" --names "$second" \
        > "$outdir.json" 2> "$outdir.log"; then
        echo ok
    else
        echo failed
    fi
}

different=$(run different output-a output-b)
same=$(run same output output)
echo "folders of different names: $different; of one name: $same"
if [ "$different $same" = "ok failed" ] && grep -q "same/output/file_2" same.log; then
    echo "as described: folders of one name cannot be gathered"
else
    echo "changed: the behavior is not as described" >&2
    exit 1
fi
