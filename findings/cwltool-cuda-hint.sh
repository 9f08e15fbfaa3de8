#!/usr/bin/env bash
# cwltool 3.3.20260925135507 refuses to run a tool whose *hint* asks for a GPU, on a machine without one.
#
# A hint "is merely a suggestion": an engine may ignore those that it cannot satisfy, with a warning (CWL v1.2, "Requirements
# and hints"). cwltool treats cwltool:CUDARequirement under hints as it treats it under requirements: the job ends with
# "Could not satisfy CUDARequirement", so that a tool that would also run on a processor, only slower, does not run at all.
# The script runs a tool with the hint and without nvidia-smi, and a tool with a hint that cwltool does not know.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cwltool==3.3.20260925135507 2> /dev/null

run() { # hint
    cat > tool.cwl << CWL
cwlVersion: v1.2
\$namespaces: {cwltool: "http://commonwl.org/cwltool#", x: "https://example.org/"}
class: CommandLineTool
hints: {$1}
baseCommand: [echo, done]
inputs: {}
outputs: {text: stdout}
CWL
    # without a GPU: nvidia-smi is not on PATH
    if PATH="$folder/venv/bin:/bin" venv/bin/cwltool --outdir out tool.cwl > /dev/null 2> log; then
        echo "ran"
    elif grep -q "Could not satisfy CUDARequirement" log; then
        echo "refused: Could not satisfy CUDARequirement"
    else
        cat log >&2
        echo "failed"
    fi
}

if PATH=/bin command -v nvidia-smi > /dev/null; then
    echo "this machine has nvidia-smi in /bin; run the script on one without a GPU" >&2
    exit 1
fi
cuda=$(run '"cwltool:CUDARequirement": {cudaVersionMin: "1.0", cudaComputeCapability: "1.0"}')
other=$(run '"x:Unknown": {}')
echo "hint cwltool:CUDARequirement: $cuda"
echo "hint of an unknown kind: $other"
if [ "$cuda|$other" != "refused: Could not satisfy CUDARequirement|ran" ]; then
    echo "changed: the first hint was refused, and the second one ran" >&2
    exit 1
fi
