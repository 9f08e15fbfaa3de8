#!/usr/bin/env bash
# obstore 0.12.1 lists no file of a folder whose name ends in "#" and digits, and does not open it.
#
# LocalStore is obstore's store for a folder of this machine; programs that read Zarr and COG use it for tests and for mounted
# buckets. It takes a name such as "plot#1" for an upload that has not ended, although another program wrote it. A listing is
# silently shorter than the folder, so a program that copies a folder loses such files; only opening one by name is an error.
# The same name is listed and read in MemoryStore.
# The script writes two files, and prints what each store lists.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check obstore==0.12.1 2> /dev/null

mkdir results
echo one > 'results/plot#1'
echo two > 'results/plot#1.png'
cat > look.py << 'PYTHON'
from pathlib import Path

import obstore
from obstore.store import LocalStore, MemoryStore

memory = MemoryStore()
for path in sorted(Path("results").iterdir()):
    obstore.put(memory, path.name, path.read_bytes())
local = LocalStore(Path("results").resolve())
for name, store in (("MemoryStore", memory), ("LocalStore", local)):
    print(name, sorted(one["path"] for one in obstore.list(store).collect()))
try:
    obstore.get(local, "plot#1")
except Exception as error:
    print("LocalStore cannot open plot#1:", type(error).__name__)
PYTHON
venv/bin/python look.py | tee seen
printf '%s\n' "MemoryStore ['plot#1', 'plot#1.png']" "LocalStore ['plot#1.png']" \
    "LocalStore cannot open plot#1: GenericError" > known
if ! diff known seen; then
    echo "changed: LocalStore listed plot#1.png alone" >&2
    exit 1
fi
