#!/usr/bin/env bash
# ploomber-engine 0.0.33 keeps other outputs than Jupyter does: cleared text stays, with the codes of a terminal.
#
# It runs cells in its own process instead of a kernel, and offers papermill's function execute_notebook. In its executed
# notebooks `clear_output` erases nothing and leaves escape sequences; an update of a display is a second output; a value
# whose statement ends with a semicolon is shown; what a program prints goes to the engine's own terminal. A notebook
# with a progress display grows with each update.
# The script runs the same cells with papermill, and prints the outputs of both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    ploomber-engine==0.0.33 papermill==2.7.0 ipykernel==7.4.0 nbformat==5.11.0 2> /dev/null
export PATH="$folder/venv/bin:$PATH" HOME="$folder" PYTHONPATH=

cat > compare.py << 'PYTHON'
import sys

import nbformat

cells = [
    "from IPython.display import clear_output\nprint('old')\nclear_output()\nprint('new')",
    "from IPython.display import display\nshown = display('first', display_id=True)\nshown.update('second')",
    "1;",
    "import subprocess\nsubprocess.run(['echo', 'program'])\nNone",
]
kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
nbformat.write(notebook, "in.ipynb")

if sys.argv[1] == "papermill":
    from papermill import execute_notebook
else:
    from ploomber_engine import execute_notebook
execute_notebook("in.ipynb", "out.ipynb")
outputs = [cell.outputs for cell in nbformat.read("out.ipynb", as_version=4).cells]
text = "".join(one.get("text", "") for one in outputs[0])
print(
    f"cleared text {'kept' if 'old' in text else 'gone'}, {text.count(chr(27))} escape sequences,"
    f" {len(outputs[1])} displays, {len(outputs[2])} values after a semicolon, {len(outputs[3])} outputs of a program",
    file=sys.stderr,
)
PYTHON
compared() { # engine
    python compare.py "$1" 2>&1 > /dev/null | grep '^cleared'
}

output="papermill: $(compared papermill); ploomber-engine: $(compared ploomber)"
echo "$output"
expected="papermill: cleared text gone, 0 escape sequences, 1 displays, 0 values after a semicolon, 1 outputs of a program"
expected="$expected; ploomber-engine: cleared text kept, 2 escape sequences, 2 displays, 1 values after a semicolon, 0 outputs of a program"
if [ "$output" != "$expected" ]; then
    echo 'changed: ploomber-engine kept cleared text with escape sequences, and other outputs than papermill' >&2
    exit 1
fi
