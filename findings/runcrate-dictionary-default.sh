#!/usr/bin/env bash
# runcrate 0.6.2 cannot convert the provenance of a run whose tool has a dictionary as the default of an input.
#
# A default may be any value (CWL v1.2, "WorkflowInputParameter", default: CWLObjectType). runcrate looks for a path in a
# dictionary, and otherwise uses a variable that it never set, so that the conversion ends with UnboundLocalError.
# The script runs two tools with cwltool --provenance, which differ in this default, and converts both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv cwltool
cwltool/bin/pip install --quiet --disable-pip-version-check cwltool==3.3.20260925135507 2> /dev/null
python3 -m venv runcrate
runcrate/bin/pip install --quiet --disable-pip-version-check runcrate==0.6.2 2> /dev/null

convert() { # name default
    cat > "$1.cwl" << CWL
cwlVersion: v1.2
class: Workflow
inputs: {value: {type: Any, default: $2}}
outputs: {text: {type: File, outputSource: write/text}}
steps:
  write:
    in: {value: value}
    out: [text]
    run:
      class: CommandLineTool
      baseCommand: [echo, done]
      inputs: {value: Any}
      outputs: {text: {type: stdout}}
CWL
    cwltool/bin/cwltool --provenance "$1" --outdir out "$1.cwl" > /dev/null 2> log || { cat log >&2; exit 1; }
    if runcrate/bin/runcrate convert "$1" -o "$1.crate" > log 2>&1; then
        echo "converted"
    else
        tail -n 1 log
    fi
}

text=$(convert text "'a'")
dictionary=$(convert dictionary "{a: 1}")
echo "default 'a': $text"
echo "default {a: 1}: $dictionary"
case "$text|$dictionary" in
    "converted|UnboundLocalError: "*"'default'"*) ;;
    *)
        echo "changed: the first run was converted, the second one ended with UnboundLocalError" >&2
        exit 1
        ;;
esac
