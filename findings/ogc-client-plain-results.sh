#!/usr/bin/env bash
# ogc-api-processes-client 0.6.0 cannot read a result of OGC API - Processes that is a text or an integer.
#
# The client is generated from OGC's API definition, whose schema inputValueNoObject.yaml is a oneOf of string, number,
# integer, boolean, array and binary text. A text is both a string and binary text, and an integer is both an integer and
# a number, so neither matches exactly one, and the client raises "Multiple matches found". A server cannot avoid it:
# the standard's own form of a text with a media type, {"value": "..."}, has the same schema inside. A fraction, an object
# and a link are read. Every validator that follows the schema by the letter refuses these results, too.
# The script lets the client read one result of each kind.
set -euo pipefail
version=0.6.0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "ogc-api-processes-client==$version"

cat > read_results.py << 'PYTHON'
import json

from ogc_api_processes_client.models.inline_or_ref_data import InlineOrRefData

for result in ("text", 3, {"value": "text", "mediaType": "text/plain"}, 2.5, {"value": {"y": 42}}, {"href": "http://x/"}):
    try:
        InlineOrRefData.from_json(json.dumps(result))
        print("read:", json.dumps(result))
    except ValueError:
        print("refused:", json.dumps(result))
PYTHON

venv/bin/python read_results.py | tee found
cat > expected << 'TEXT'
refused: "text"
refused: 3
refused: {"value": "text", "mediaType": "text/plain"}
read: 2.5
read: {"value": {"y": 42}}
read: {"href": "http://x/"}
TEXT
if ! diff expected found; then
    echo "changed: other results are read or refused" >&2
    exit 1
fi
