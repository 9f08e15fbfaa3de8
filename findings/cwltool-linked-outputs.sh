#!/usr/bin/env bash
# cwltool 3.3.20260925135507 loses a result that is a symbolic link to another result.
#
# A tool writes a.txt and makes b.txt a link to it; both are File outputs of their own. cwltool keys the files that it
# moves by their real path, so that the two outputs become one file: only a.txt is in --outdir. The output object still
# has both, the second with the basename b.txt and the path of a.txt. The run ends with code 0 and no warning.
# A workflow step that gets the second output gets a file with the wrong name, and b.txt is missing from the results.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cwltool==3.3.20260925135507

cat > tool.cwl << 'CWL'
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -ec, "mkdir results; echo text > results/a.txt; ln -s a.txt results/b.txt"]
inputs: {}
outputs:
  first: {type: File, outputBinding: {glob: results/a.txt}}
  second: {type: File, outputBinding: {glob: results/b.txt}}
CWL
venv/bin/cwltool --quiet --outdir out tool.cwl > outputs.json

names=$(ls out)
described=$(venv/bin/python -c '
import json, os
second = json.load(open("outputs.json"))["second"]
print(second["basename"], os.path.basename(second["path"]))')
echo "files in --outdir: $names; the second output: basename and file '$described'"
if [ "$names" = a.txt ] && [ "$described" = "b.txt a.txt" ]; then
    echo "as described: b.txt is lost"
else
    echo "changed: the behavior is not as described" >&2
    exit 1
fi
