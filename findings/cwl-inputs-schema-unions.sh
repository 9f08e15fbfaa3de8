#!/usr/bin/env bash
# The JSON Schema that cwl-inputs-schema-gen of cwl-utils 0.45 makes of a process refuses integers for [int, double] and accepts
# records without their fields.
#
# A form or a job service can check input objects by such a schema before it starts a run. A union becomes oneOf, and JSON Schema calls 4
# an integer and a number, so two branches match and the value is refused, which cwltool takes; 4.5 is accepted. A record becomes an
# object without "required", so {} is accepted for a record with a required field, and the run fails later. A long is any number, 1.5
# too. The path of the document must be absolute: a relative one, though the help asks for "URL or Path", ends with a ValueError.
# The script prints what the schema and cwltool think of the same input objects.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check cwl-utils==0.45 cwltool==3.3.20260925135507 check-jsonschema==0.37.4 2> /dev/null

cat > tool.cwl << 'CWL'
cwlVersion: v1.2
class: CommandLineTool
baseCommand: "true"
inputs:
  level: [int, double]
  size: long
  place: {type: {type: record, fields: {x: int}}}
outputs: {}
CWL
relative=$(environment/bin/cwl-inputs-schema-gen tool.cwl 2>&1 | sed -n '$s/^\([A-Za-z]*Error\):.*/\1/p' || true)
environment/bin/cwl-inputs-schema-gen "$folder/tool.cwl" > schema.json 2> /dev/null

verdict() { if "$@" > said 2>&1; then echo accepts; else echo refuses; fi; }

compare() { # words, input object
    echo "$2" > job.json
    echo "$1: the schema $(verdict environment/bin/check-jsonschema --schemafile schema.json job.json)," \
        "cwltool $(verdict environment/bin/cwltool --quiet tool.cwl job.json)"
}

output="$(compare 'an integer for int or double' '{"level": 4, "size": 1, "place": {"x": 1}}')
$(compare 'a fraction for int or double' '{"level": 4.5, "size": 1, "place": {"x": 1}}')
$(compare 'a record without its field' '{"level": 4.5, "size": 1, "place": {}}')
$(compare 'a fraction for a long' '{"level": 4.5, "size": 1.5, "place": {"x": 1}}')
a relative path: ${relative:-no error}"
echo "$output"
expected='an integer for int or double: the schema refuses, cwltool accepts
a fraction for int or double: the schema accepts, cwltool accepts
a record without its field: the schema accepts, cwltool refuses
a fraction for a long: the schema accepts, cwltool refuses
a relative path: ValueError'
if [ "$output" != "$expected" ]; then
    echo 'changed: unions of numbers were refused, and records without fields accepted' >&2
    exit 1
fi
