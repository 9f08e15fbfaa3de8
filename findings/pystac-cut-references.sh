#!/usr/bin/env bash
# pystac 1.15.2 treats paths of files as addresses and cuts them at "#", "?" and ";", without an error or a warning.
#
# An Asset keeps its reference when it is added to an Item. When the Item gets the path of its own document, as each catalog
# that is saved needs, pystac joins the two and drops the rest of the name: "band#1.tif" and "band#2.tif" both become "band",
# "band?1.tif" and "band;1.tif", too.
# A catalog that is saved into the folder "tile #1" becomes a file named "tile " next to it, and the folder stays empty.
# A reader of such a catalog finds no file, or for two results the same one.
# The script makes an Item with two Assets and saves a catalog, and prints the references and where the documents are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pystac-core==1.15.2 pystac==1.15.2 2> /dev/null

cat > look.py << 'PYTHON'
from datetime import datetime, timezone
from pathlib import Path

import pystac


def item() -> pystac.Item:
    made = pystac.Item("scene", None, None, datetime(2026, 1, 1, tzinfo=timezone.utc), {})
    for name in ("band#1.tif", "band#2.tif", "band?1.tif", "band;1.tif", "plain.tif"):
        made.add_asset(name, pystac.Asset(name))
    return made


one = item()
one.set_self_href(str(Path("results/scene.json").resolve()))
for name, asset in one.assets.items():
    print(name, "->", Path(asset.get_absolute_href()).name)
Path("tile #1").mkdir()
catalog = pystac.Catalog("results", "results of one tile")
catalog.add_item(pystac.Item("scene", None, None, datetime(2026, 1, 1, tzinfo=timezone.utc), {}))
catalog.normalize_and_save(str(Path("tile #1").resolve()), pystac.CatalogType.SELF_CONTAINED)
print("in the folder:", [path.name for path in Path("tile #1").iterdir()])
print("next to it:", [path.name for path in Path.cwd().glob("tile*") if path.is_file()])
PYTHON
venv/bin/python look.py | tee seen
printf '%s\n' 'band#1.tif -> band' 'band#2.tif -> band' 'band?1.tif -> band' 'band;1.tif -> band' 'plain.tif -> plain.tif' \
    'in the folder: []' "next to it: ['tile ']" > known
if ! diff known seen; then
    echo "changed: pystac cut names at '#', '?' and ';'" >&2
    exit 1
fi
