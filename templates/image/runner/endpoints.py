"""Remove all endpoints except those of the services that staging uses from botocore's list, which every client reads.

python endpoints.py FILE SERVICE...
"""

import json
import sys
from pathlib import Path

file, kept = Path(sys.argv[1]), sys.argv[2:]
document = json.loads(file.read_bytes())
for partition in document["partitions"]:
    partition["services"] = {name: one for name, one in partition["services"].items() if name in kept}
file.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
