#!/usr/bin/env bash
# ap-validator (ogc-ap-validator 0.5.0) reads documents as YAML 1.1, and so judges another document than CWL engines run.
#
# CWL documents are YAML 1.2 (CWL v1.2, "Syntax"), where a plain yes is text. PyYAML reads YAML 1.1, where it is a boolean. So a
# package is refused in which a choice, a label or a description is such a word. PyYAML is not among the package's
# dependencies: its command ends with an ImportError if no other package brings it.
# The script validates a valid application package with cwltool and with ap-validator, without and with PyYAML.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check ogc-ap-validator==0.5.0 cwltool==3.3.20260925135507 \
    cwl-utils==0.45 2> /dev/null
export PATH="$folder/venv/bin:$PATH"

cat > app.cwl << 'CWL'
cwlVersion: v1.2
$namespaces:
  s: https://schema.org/
s:softwareVersion: "1.0"
$graph:
- class: Workflow
  id: app
  label: app
  doc: app
  inputs:
    answer: {type: {type: enum, symbols: [yes, no]}, label: answer, doc: answer}
  outputs: {}
  steps:
    run: {run: '#tool', in: {answer: answer}, out: []}
- class: CommandLineTool
  id: tool
  baseCommand: echo
  requirements: {DockerRequirement: {dockerPull: debian}}
  inputs: {answer: {type: {type: enum, symbols: [yes, no]}, inputBinding: {}}}
  outputs: {}
CWL

missing=$(ap-validator app.cwl 2>&1 | tail -1) || true
echo "as installed: $missing"
venv/bin/pip install --quiet --disable-pip-version-check pyyaml==6.0.2 2> /dev/null
cwltool --quiet --validate --strict 'app.cwl#app' > /dev/null && engine=valid || engine=invalid
ap-validator app.cwl > said.txt 2>&1 && validator=valid || validator=invalid
echo "cwltool: $engine; ap-validator: $validator"
if [ "$missing|$engine|$validator" != "ModuleNotFoundError: No module named 'yaml'|valid|invalid" ]; then
    echo 'changed: PyYAML was missing, cwltool accepted the document, and ap-validator refused it' >&2
    exit 1
fi
