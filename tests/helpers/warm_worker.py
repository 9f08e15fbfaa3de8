"""A process with kernels kept ready that runs a notebook without end: ``python warm_worker.py FOLDER WAY``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

from warm_runs import WarmRuns

from generator.runner.server.runs.model import Choice

_NOTEBOOK = """\
import os, subprocess, time
left = subprocess.Popen(['sleep', '1000'])
with open({pids!r} + '.new', 'w') as file:
    file.write(f'{{os.getpid()}} {{left.pid}}')
os.rename({pids!r} + '.new', {pids!r})
time.sleep(1000)
"""

if __name__ == "__main__":
    folder, way = Path(sys.argv[1]), cast("Choice", sys.argv[2])
    runs = WarmRuns(folder)
    runs.run("n = 1", way=way)
    runs.prepare()
    (folder / "prepared").write_text(" ".join(map(str, runs.process_ids())))
    runs.run(_NOTEBOOK.format(pids=str(folder / "pids")), way=way)
