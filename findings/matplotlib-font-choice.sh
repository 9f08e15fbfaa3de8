#!/usr/bin/env bash
# matplotlib 3.11.0 chooses at random between two font files of the same name, for example a distribution's version of a font and the
# user's newer one, each time that it makes its list of fonts.
#
# It gathers the files in a set of texts, whose order depends on the process's hash seed, and takes the first of equally good fonts. The
# list is kept in a cache, so that a user sees one choice for years. A container starts without the cache: of two runs of an image, on
# the same values, one may draw its labels in the other font, with other widths and another layout. The cache file has another order
# each time, too, so that an image layer that contains it cannot be reproduced.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check matplotlib==3.11.0 fonttools==4.60.1 2> /dev/null

cat > make.py << 'PYTHON'
import logging
from pathlib import Path

import matplotlib
from fontTools.ttLib import TTFont

logging.disable(logging.WARNING)
source = Path(matplotlib.get_data_path(), "fonts/ttf/cmss10.ttf")
for version in ("older", "newer"):
    font = TTFont(source)
    for record in font["name"].names:
        if record.nameID in (1, 4, 6, 16):  # names of the family and of the font
            record.string = "Example"
    place = Path("home/.fonts", version)
    place.mkdir(parents=True)
    font.save(place / "example.ttf")
PYTHON
environment/bin/python make.py

cat > choose.py << 'PYTHON'
from pathlib import Path

from matplotlib import font_manager

print(Path(font_manager.findfont("Example")).parent.name)
PYTHON
chosen=$(for seed in $(seq 16); do
    env HOME="$folder/home" MPLCONFIGDIR="$folder/cache-$seed" PYTHONHASHSEED="$seed" environment/bin/python choose.py
done | sort | uniq -c | awk '{ printf "%s%s times %s", separator, $1, $2; separator = ", " }')
lists=$(for seed in $(seq 16); do sha256sum < "$(echo cache-"$seed"/fontlist-*.json)"; done | sort -u | wc -l)
echo "16 processes without a cache chose of two files of the font Example: $chosen; their caches have $lists different contents"
if [[ $chosen != *newer*older* || $lists -lt 2 ]]; then
    echo "changed: the choice and the cache no longer depend on the hash seed" >&2
    exit 1
fi
