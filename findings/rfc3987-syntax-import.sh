#!/usr/bin/env bash
# rfc3987-syntax 1.1.0 compiles 38 grammars at its import, so `import jsonschema` takes seconds wherever it is installed.
#
# jsonschema[format-nongpl] requires it, and Jupyter Server, the Kernel Gateway and JupyterHub require that through
# jupyter-events. jsonschema imports it at once, although only the format "iri" needs it; and nbformat, nbclient and papermill
# import jsonschema. So each start of these programs takes seconds longer in an environment that has Jupyter Server, too.
# The script measures the processor time of the import with the package and with its import blocked.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'jsonschema[format-nongpl]==4.26.0' rfc3987-syntax==1.1.0 lark==1.3.1

cat > measure.py << 'PYTHON'
import sys
import time

if sys.argv[1:]:
    sys.modules[sys.argv[1]] = None
start = time.process_time()
import jsonschema

print(f"{time.process_time() - start:.2f}")
PYTHON

for blocked in "" rfc3987_syntax; do
    # shellcheck disable=SC2086 # no argument at first
    venv/bin/python measure.py $blocked > /dev/null # compiles the modules
done
with=$(venv/bin/python measure.py)
without=$(venv/bin/python measure.py rfc3987_syntax)
echo "import jsonschema: $with s of processor time with rfc3987-syntax, $without s without it"
if awk "BEGIN { exit !($with > 4 * $without) }"; then
    echo "as described: the import takes more than four times as long"
else
    echo "changed: the import is not much slower" >&2
    exit 1
fi
