#!/usr/bin/env bash
# The PapermillOperator of apache-airflow-providers-papermill 3.13.3 ignores "parameters" next to a NoteBook, and nbconvert.
#
# With input_nb=NoteBook(url=…), the form that Airflow 2 used for lineage, the operator's own parameters are dropped without a
# message: the notebook runs with its defaults, and the task succeeds. nbconvert=True and nbconvert_args are accepted and
# rendered as templates, but nothing is converted. So scheduled reports can be for the wrong day, or missing as pages.
# The script (Python 3.10 to 3.13) runs one notebook by both forms of input_nb, with nbconvert=True.
set -euo pipefail
version=3.13.3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check apache-airflow==3.3.2 "apache-airflow-providers-papermill==$version" \
    ipykernel==7.4.0 nbconvert==7.17.1 2> /dev/null

cat > ask.py << 'PYTHON'
import json
from pathlib import Path

import nbformat.v4 as v4
from airflow.providers.papermill.operators.papermill import NoteBook, PapermillOperator

cells = [v4.new_code_cell("day = 'default'", metadata={"tags": ["parameters"]}), v4.new_code_cell("print(day)")]
kernel = {"name": "python3", "display_name": "Python", "language": "python"}
Path("in.ipynb").write_text(json.dumps(v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})))
for form, notebook in {"path": "in.ipynb", "NoteBook": NoteBook(url="in.ipynb")}.items():
    operator = PapermillOperator(
        task_id="run", input_nb=notebook, output_nb=f"{form}.ipynb", parameters={"day": "2026-11-28"}, nbconvert=True
    )
    operator.execute({})
    printed = json.loads(Path(f"{form}.ipynb").read_text())["cells"][-1]["outputs"][0]["text"]
    print(f"{form}: the notebook printed", "".join(printed).strip())
print("pages:", [path.name for path in Path().glob("*.html")])
PYTHON

AIRFLOW_HOME=$folder/home venv/bin/python ask.py 2> /dev/null | grep -E "^(path|NoteBook|pages):" | tee found
cat > expected << 'TEXT'
path: the notebook printed 2026-11-28
NoteBook: the notebook printed default
pages: []
TEXT
if ! diff expected found; then
    echo "changed: a NoteBook's parameters and nbconvert were ignored" >&2
    exit 1
fi
