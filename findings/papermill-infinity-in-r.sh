#!/usr/bin/env bash
# papermill 2.7.0 writes infinite numbers into R, Julia and Scala notebooks as Python prints them.
#
# "-p limit inf" becomes "limit = inf" in the injected cell of an R or Julia notebook, and "val limit = inf" in Scala. None of
# them defines this name: R and Julia have Inf, Scala has Double.PositiveInfinity. In Python notebooks papermill writes
# float('inf').
# The script prepares notebooks without running them, so it needs no kernels, and prints the injected lines.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check papermill==2.7.0 2> /dev/null
export PATH="$folder/venv/bin:$PATH"

injected() { # language, kernel
    python - "$1" "$2" << 'PYTHON'
import json, sys

cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {"tags": ["parameters"]}, "outputs": [], "source": "limit = 1.0"}
kernelspec = {"display_name": sys.argv[2], "language": sys.argv[1], "name": sys.argv[2]}
with open("in.ipynb", "w") as file:
    json.dump({"cells": [cell], "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}, file)
PYTHON
    papermill --no-progress-bar --prepare-only in.ipynb out.ipynb -p limit inf 2> log
    python -c 'import json; print("".join(json.load(open("out.ipynb"))["cells"][1]["source"]).splitlines()[-1])'
}

r=$(injected R ir) julia=$(injected julia julia-1.10) scala=$(injected scala scala) python=$(injected python python3)
echo "R: $r; Julia: $julia; Scala: $scala; Python: $python"
if [ "$r|$julia|$scala|$python" != "limit = inf|limit = inf|val limit = inf|limit = float('inf')" ]; then
    echo "changed: R, Julia and Scala had 'limit = inf'" >&2
    exit 1
fi
