#!/usr/bin/env bash
# cwltool 3.3.20260925135507 changes texts of a job that are called "path" or "location", and ends with a traceback on numbers.
#
# The loader of jobs takes these two keys for addresses at any depth, not only in objects of class File or Directory (CWL v1.2,
# "File"). An input of type Any, such as {path: a.csv}, arrives as {path: file:///.../a.csv}; so does an input of type string
# whose name is path. For a list of numbers, such as the coordinates of an input that is called location, cwltool ends with
# "union[str, dict] object expected". Toil 9.6.0 uses the same loader.
# The script runs a tool that copies its inputs, and prints what it got.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cwltool==3.3.20260925135507 2> /dev/null
export PATH="$folder/venv/bin:$PATH"
cat > tool.cwl << CWL
cwlVersion: v1.2
class: CommandLineTool
requirements:
  InitialWorkDirRequirement: {listing: [{entryname: inputs.json, entry: \$(inputs)}]}
baseCommand: [cat, inputs.json]
inputs: {path: string, config: Any, location: "double[]?"}
outputs: {text: stdout}
stdout: got.json
CWL
echo '{path: a.csv, config: {path: b.csv}}' > job.yml
cwltool --quiet tool.cwl job.yml > /dev/null
got=$(tr -d ' ' < got.json | sed "s#$folder#...#g")
echo '{path: a.csv, config: {}, location: [48.1, 11.6]}' > numbers.yml
said=$(cwltool tool.cwl numbers.yml 2>&1 || true)
echo "the tool got $got"
echo "a list of numbers: $(grep -o 'union.*expected' <<< "$said" || echo 'no such message')"
if [ "$got" != '{"config":{"path":"file://.../b.csv"},"location":null,"path":"file://.../a.csv"}' ] || ! grep -q 'object expected' <<< "$said"; then
    echo 'changed: both texts were addresses, and numbers were refused' >&2
    exit 1
fi
