"""``packmill inspect`` starts quickly because it loads little."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support import write_notebook

_top = Path(__file__).parents[2]
"""The folder of ``generator``: ``-S`` leaves out installed packages, whose .pth files load modules."""
_SLOW = set("docker git jinja2 jupytext lzma requests ruamel shutil subprocess tempfile yaml".split())
"""Modules that it loads only for files that this repository lacks, or never; each takes longer than most of its own."""


def test_inspect_of_a_plain_notebook_loads_no_slow_module(tmp_path: Path) -> None:
    write_notebook(tmp_path / "process.ipynb", "n = 1  # type: int", "print(n)")
    code = (
        "import json, sys\nfrom generator.cli import main\n"
        f"code = main(['inspect', {str(tmp_path)!r}, '--json'])\n"
        "print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=_top)

    exit_code, loaded = json.loads(done.stderr.splitlines()[-1])
    assert exit_code == 0
    assert not _SLOW & {name.partition(".")[0] for name in loaded}
