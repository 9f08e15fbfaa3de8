#!/usr/bin/env bash
# toil-cwl-runner 9.6.0 fails on a folder with two empty folders, if two steps change it in place, one after the other.
#
# Toil names a folder by its content, so all empty folders have the one location "toildir:::e30=" (e30= is {} in base64). For a
# step with InplaceUpdateRequirement, a hint that Toil does not support and need not honor, cwltool's code registers a change
# of every folder below the writable one by its location. The second empty folder then looks changed since it was read:
# "wants to modify toildir:::e30= from generation 0 but current generation is 1". A folder with one empty folder works.
# The script runs a workflow of two steps on both folders, and prints how each run ended.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'toil[cwl]==9.6.0' 2> /dev/null
export PATH="$folder/venv/bin:$PATH"

cat > step.cwl << 'CWL'
cwlVersion: v1.2
class: CommandLineTool
requirements:
  InitialWorkDirRequirement:
    listing: [{entryname: kept, entry: $(inputs.kept), writable: true}]
hints:
  InplaceUpdateRequirement: {inplaceUpdate: true}
inputs: {kept: Directory}
baseCommand: [ls, kept]
outputs:
  kept_out: {type: Directory, outputBinding: {glob: kept}}
CWL
cat > workflow.cwl << 'CWL'
cwlVersion: v1.2
class: Workflow
inputs: {kept: Directory}
steps:
  first: {run: step.cwl, in: {kept: kept}, out: [kept_out]}
  second: {run: step.cwl, in: {kept: first/kept_out}, out: [kept_out]}
outputs: {kept_out: {type: Directory, outputSource: second/kept_out}}
CWL
mkdir -p one/a two/a two/b

run() { # folder
    echo "kept: {class: Directory, path: $1}" > job.yml
    if toil-cwl-runner --no-prepull --retryCount 0 --outdir "out-$1" workflow.cwl job.yml > outputs.json 2> log; then
        echo success
    elif grep --quiet 'wants to modify toildir:::e30=' log; then
        echo 'wants to modify toildir:::e30='
    else
        echo "another failure: $(tail -n 1 log)"
    fi
}

one=$(run one) two=$(run two)
echo "with one empty folder: $one; with two: $two"
if [ "$one|$two" != 'success|wants to modify toildir:::e30=' ]; then
    echo 'changed: only the run with two empty folders failed' >&2
    exit 1
fi
