#!/usr/bin/env bash
# obstore 0.12.1 reads an object that is replaced meanwhile as a mixture of both versions, without an error.
#
# open_reader() asks for one range after the other and does not name the version that it began with, although each answer
# has an ETag and get() could ask for it (If-Match). The first part is of the old object, the rest of the new one; if the new
# one is longer, the end is cut off at the old size. get() alone reads the object in one answer and has one version.
# Catalogs and daily products are replaced under one name in buckets, and a reader that takes minutes for a large one meets it.
# The script replaces an object of 4 MiB after the first MiB was read, and prints how much of each version arrived.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check obstore==0.12.1 2> /dev/null

cat > look.py << 'PYTHON'
import obstore
import obstore.exceptions
from obstore.store import MemoryStore

MIB = 1 << 20
store = MemoryStore()
obstore.put(store, "product.bin", b"1" * 4 * MIB)
etag = obstore.head(store, "product.bin")["e_tag"]
reader = obstore.open_reader(store, "product.bin", buffer_size=MIB)
content = bytes(reader.read(MIB))
obstore.put(store, "product.bin", b"2" * 5 * MIB)
content += bytes(reader.read())
print("MiB of the first and second version:", content.count(b"1") / MIB, content.count(b"2") / MIB)
try:
    obstore.get(store, "product.bin", options={"if_match": etag})
except obstore.exceptions.PreconditionError as error:
    print("get() with the first version's ETag:", type(error).__name__)
PYTHON
venv/bin/python look.py | tee seen
printf '%s\n' "MiB of the first and second version: 1.0 3.0" \
    "get() with the first version's ETag: PreconditionError" > known
if ! diff known seen; then
    echo "changed: a reader mixed two versions of one object" >&2
    exit 1
fi
