#!/usr/bin/env bash
# ipython2cwl 0.0.4 loses inputs with the annotations List[…] and Optional[…] on Python 3.9 and newer.
#
# Its documentation offers both for every type of input. It reads the ast of Python 3.8 (the value of an Index node, which Python 3.9
# no longer makes), and ignores every error while it reads an annotation. The tool is written without these inputs, with no word, and
# its runs always use the values in the notebook.
# The script (Python 3.10 or 3.11: the package also needs a node that Python 3.12 deprecates) prints the inputs of a tool for three
# annotated variables.
set -euo pipefail
version=0.0.4
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
# nbconvert 5, which pip chooses for the package's limits, needs older versions than it asks for
venv/bin/pip install --quiet --disable-pip-version-check "ipython2cwl==$version" "nbconvert==5.6.1" "jinja2==3.0.3" \
    "mistune==0.8.4" "ipython_genutils==0.2.0" "setuptools==75.8.0" 2> /dev/null

cat > ask.py << 'PYTHON'
from ipython2cwl.cwltoolextractor import AnnotatedIPython2CWLToolConverter

source = """
count: 'CWLIntInput' = 3
words: 'List[CWLStringInput]' = ['a', 'b']
limit: 'Optional[CWLIntInput]' = None
"""
tool = AnnotatedIPython2CWLToolConverter(source).cwl_command_line_tool()
print("inputs:", ", ".join(tool["inputs"]))
PYTHON

venv/bin/python ask.py 2> /dev/null | tee found
echo "inputs: count" > expected
if ! diff expected found; then
    echo "changed: the inputs with List and Optional were lost" >&2
    exit 1
fi
