#!/usr/bin/env bash
# Apache Airflow 3.3.2 accepts any text for a Param with format="date-time", but checks "date" and "time".
#
# Airflow's documentation offers the three formats together. jsonschema checks "date-time" only if the package rfc3339-validator is
# installed, which Airflow does not require. A run that is triggered with "nonsense" starts, and fails in a task, or works with a
# wrong time; for format="date", the API refuses the trigger.
# The script (Python 3.10 to 3.14) resolves a Param of each format with the value "nonsense".
set -euo pipefail
version=3.3.2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "apache-airflow==$version" 2> /dev/null

cat > ask.py << 'PYTHON'
from airflow.sdk import Param

for kind in ("date", "time", "date-time"):
    try:
        print(f"{kind}: accepted:", Param("nonsense", type="string", format=kind).resolve())
    except Exception as error:
        print(f"{kind}: refused:", type(error).__name__)
PYTHON

AIRFLOW_HOME=$folder/home venv/bin/python ask.py 2> /dev/null | tee found
cat > expected << 'TEXT'
date: refused: ParamValidationError
time: refused: ParamValidationError
date-time: accepted: nonsense
TEXT
if ! diff expected found; then
    echo "changed: any text was accepted as a date-time" >&2
    exit 1
fi
