#!/usr/bin/env bash
# cwl-expression-refactor of cwl-utils 0.45 reports that a packed document needs no change, though its tool has expressions, and fails
# for a tool in a document of its own.
#
# The program moves expressions into steps of their own, for engines and rules without JavaScript. Its exit code 7 means that the only
# document needed no change. It does not look into $graph, so a packed document, which is what registries and OGC platforms take (OGC
# 20-089), gets that code, no message and no file: a pipeline that trusts it hands on a document with JavaScript. A CommandLineTool
# alone, whose expression is in its arguments, ends with a ValueError of schema-salad, which cannot save a step without an ID.
# cwl-normalizer, which packs and refactors, ends with a TypeError for the packed document. cwltool calls both documents valid.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check cwl-utils==0.45 schema-salad==8.10.20260825112551 \
    cwltool==3.3.20260925135507 2> /dev/null

cat > single.cwl << 'CWL'
cwlVersion: v1.2
class: CommandLineTool
id: greet
requirements: {InlineJavascriptRequirement: {}}
baseCommand: echo
arguments: [$("hello " + inputs.name)]
inputs: {name: string}
outputs: {greeting: stdout}
stdout: greeting.txt
CWL
# shellcheck disable=SC2016 # the name is CWL's
{ printf 'cwlVersion: v1.2\n$graph:\n-\n'; sed '1d; s/^/  /' single.cwl; } > packed.cwl

outcome() {
    mkdir "$1-$2"
    local code=0
    "environment/bin/$1" "$1-$2" "$2.cwl" > said 2>&1 || code=$?
    local error
    error=$(sed -n '$s/^\([A-Za-z]*Error\):.*/\1/p' said)
    echo "exit code $code, $(find "$1-$2" -type f | wc -l) files, ${error:-no error}"
}

for document in packed single; do
    environment/bin/cwltool --quiet --validate "$document.cwl" > said 2>&1 || { cat said; exit 1; }
done
output="cwl-expression-refactor, packed document: $(outcome cwl-expression-refactor packed)
cwl-expression-refactor, a tool alone: $(outcome cwl-expression-refactor single)
cwl-normalizer, packed document: $(outcome cwl-normalizer packed)"
echo "$output"
expected='cwl-expression-refactor, packed document: exit code 7, 0 files, no error
cwl-expression-refactor, a tool alone: exit code 1, 0 files, ValueError
cwl-normalizer, packed document: exit code 1, 0 files, TypeError'
if [ "$output" != "$expected" ]; then
    echo 'changed: a packed document was passed without a change, and a tool alone failed' >&2
    exit 1
fi
