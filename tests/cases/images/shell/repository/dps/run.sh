#!/bin/bash
set -e
cp "$1" given.json
python3 - "$1" <<'E'
import json, sys
open('heights.txt', 'w').write(str(json.load(open(sys.argv[1]))['year'] + 1))
E
