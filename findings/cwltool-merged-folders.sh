#!/usr/bin/env bash
# cwltool 3.3.20260925135507 puts a result folder into the folder that an earlier run left, and may fail at the end of the second run.
#
# A second run into one --outdir keeps the files of the first among its own: the output object lists the new ones alone, the folder has both.
# If a result is a file now and was a folder in the first run, cwltool moves the file into that folder. It then looks for the file at the
# place that the output object names, finds the folder, and ends with exit code 1 and no output object, after the tool has succeeded.
# The script runs a tool three times: a folder with one file, with another one, and with a file that has the name of a folder of the first
# run. It prints which files the second run reports and leaves, and how the third one ends and where its file is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check cwltool==3.3.20260925135507 2> /dev/null

cat > collect.cwl << 'CWL'
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c]
inputs:
  script: {type: string, inputBinding: {}}
outputs:
  results: {type: Directory, outputBinding: {glob: results}}
CWL

collect() { # script
    environment/bin/cwltool --quiet --outdir "$folder/out" collect.cwl --script "$1" > result.json 2> messages
}

collect 'mkdir -p results/model; echo 1 > results/lisbon.csv; echo 1 > results/model/weights'
collect 'mkdir results; echo 2 > results/nairobi.csv'
reported=$(python3 -c 'import json; print(*(one["basename"] for one in json.load(open("result.json"))["results"]["listing"]))')
found=$(find out/results -maxdepth 1 -name '*.csv' -printf '%f\n' | sort | xargs)
code=0
collect 'mkdir results; echo 3 > results/model' || code=$?
place=$(grep --recursive --files-with-matches 3 out)
output="second: reported $reported, found $found; third: exit code $code, $(wc --bytes < result.json) bytes of an output object, file at $place"
echo "$output"
expected='second: reported nairobi.csv, found lisbon.csv nairobi.csv; third: exit code 1, 0 bytes of an output object, file at out/results/model/model'
if [ "$output" != "$expected" ]; then
    echo 'changed: results were put into folders of an earlier run, and a file into a folder of its name' >&2
    exit 1
fi
