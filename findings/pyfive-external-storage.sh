#!/usr/bin/env bash
# pyfive 1.3.0 reads a dataset whose values are in an external file as zeros, and a virtual dataset as None, with no word.
#
# HDF5 stores values outside of the file in two ways: raw bytes in another file (H5Pset_external), and a dataset that maps
# parts of other datasets (H5Pset_virtual). h5py reads both. pyfive ignores the messages: the first gives an array of zeros of
# the right shape and type, the second the object None. Neither raises an error or a warning, so a program that reads a file
# of NASA or a synchrotron computes with zeros. h5netcdf 1.8.2 with backend="pyfive" gives the same zeros.
# The script writes both kinds by h5py 3.16.0, reads them by both libraries, and prints the values.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'pyfive==1.3.0' 'h5py==3.16.0' 2> /dev/null

cat > read.py << 'PYTHON'
import struct

import h5py
import pyfive

with open("raw.bin", "wb") as file:
    file.write(struct.pack("<3d", 1, 2, 3))
with h5py.File("source.h5", "w") as file:
    file["values"] = [1.0, 2.0, 3.0]
with h5py.File("both.h5", "w") as file:
    file.create_dataset("external", (3,), "f8", external=[("raw.bin", 0, 24)])
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource("source.h5", "values", (3,))
    file.create_virtual_dataset("virtual", layout)

def values(file, name):
    found = file[name][...]
    return None if found is None else found.tolist()

for name in ("external", "virtual"):
    with h5py.File("both.h5") as file:
        known = values(file, name)
    print(f"{name}: h5py {known}, pyfive {values(pyfive.File('both.h5'), name)}")
PYTHON
output=$(venv/bin/python -W error read.py)
echo "$output"
expected='external: h5py [1.0, 2.0, 3.0], pyfive [0.0, 0.0, 0.0]
virtual: h5py [1.0, 2.0, 3.0], pyfive None'
if [ "$output" != "$expected" ]; then
    echo 'changed: pyfive gave zeros and None without an error' >&2
    exit 1
fi
