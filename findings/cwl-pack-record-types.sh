#!/usr/bin/env bash
# cwl-pack of cwl-utils 0.45 does not find the record types of a document that has an id.
#
# A type that SchemaDefRequirement defines is a name of the document: with "id: tool", the type "Bucket" is "#tool/Bucket" (CWL
# v1.2, "Identifiers"), and cwltool accepts no other reference. cwl-pack ignores the id and searches for "#Bucket", so it raises
# RuntimeError for valid documents. Without the id it packs the same document, with the reference "#Bucket".
# The script packs a valid tool with and without an id, and prints how each ended.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cwl-utils==0.45 cwltool==3.3.20260925135507 2> /dev/null

tool() { # line with the id, reference
    cat << CWL
cwlVersion: v1.2
class: CommandLineTool
$1
requirements:
  SchemaDefRequirement:
    types: [{name: Bucket, type: record, fields: {url: string}}]
inputs: {bucket: {type: "$2"}}
baseCommand: "true"
outputs: {}
CWL
}

pack() { # file
    venv/bin/cwltool --validate --strict "$1" > /dev/null 2>&1 || { echo invalid; return; }
    if venv/bin/cwl-pack "$1" > packed.cwl 2> log; then
        echo packed
    else
        grep --only-matching --max-count=1 'Could not find type' log || tail -n 1 log
    fi
}

tool 'id: tool' '#tool/Bucket' > with.cwl
tool '' '#Bucket' > without.cwl
with=$(pack with.cwl) without=$(pack without.cwl)
echo "with an id: $with; without: $without"
if [ "$with|$without" != 'Could not find type|packed' ]; then
    echo 'changed: only the tool without an id was packed' >&2
    exit 1
fi
