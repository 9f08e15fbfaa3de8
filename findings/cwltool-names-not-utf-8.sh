#!/usr/bin/env bash
# cwltool 3.3.20260925135507 discards all results of a run if one file of a result folder has a name that is not UTF-8.
#
# File names on Linux are bytes; programs that read old archives write Latin-1 names. A tool writes such a file next to
# another result, and its document declares the folder and the other file. The tool ends well, then cwltool ends with an
# "Unhandled error" and code 1: --outdir is not even created, and the declared file is lost as well.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cwltool==3.3.20260925135507

cat > tool.cwl << 'CWL'
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -ec, "mkdir output; echo text > output/a.txt; touch \"$(printf 'output/gr\\374n.csv')\""]
inputs: {}
outputs:
  file: {type: File, outputBinding: {glob: output/a.txt}}
  folder: {type: Directory, outputBinding: {glob: output}}
CWL

code=0
venv/bin/cwltool --outdir out tool.cwl > outputs.json 2> log || code=$?
reason=$(grep -o "codec can't encode" log | head -n 1)
echo "exit code $code, $reason; --outdir exists: $([ -e out ] && echo yes || echo no)"
if [ "$code" = 1 ] && [ ! -e out ] && [ -n "$reason" ]; then
    echo "as described: all results are lost"
else
    echo "changed: the behavior is not as described" >&2
    exit 1
fi
