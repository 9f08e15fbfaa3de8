"""What a parameters cell means: a folder of ``cases/interface`` is a claim, its ``interface.json`` the meaning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support import folders, notebook

from generator.notebook.interface_json import to_dict
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.notebook.stage_ins import folders_below
from generator.shared.errors import ParametersError

_languages = {
    ".py": "python",
    ".R": "R",
    ".jl": "julia",
    ".sh": "bash",
    ".zsh": "zsh",
    ".m": "octave",
    ".js": "javascript",
    ".ts": "typescript",
    ".scm": "scheme",
    ".lua": "lua",
    ".gp": "gnuplot",
    ".ps1": "PowerShell",
    ".sos": "sos",
}


@pytest.mark.parametrize("case", folders("interface"), ids=lambda path: path.name)
def test_a_cell_means(case: Path, golden: Callable[[Path, str], None]) -> None:
    cell = next(case.glob("cell.*"))
    data = json.dumps(notebook(cell.read_text(encoding="utf-8"), language=_languages[cell.suffix])).encode()
    try:
        is_folder = folders_below(case / "repository", "work")
        interface = read_interface(read_notebook(data, "work/process.ipynb"), folder="work", is_folder=is_folder)
    except ParametersError as error:
        golden(case / "refusal.txt", f"{error}\n")
        return
    rows = {
        kind: [json.dumps(one, ensure_ascii=False) for one in entries] for kind, entries in to_dict(interface).items()
    }
    text = "\n".join(line for kind, entries in rows.items() for line in (f"{kind}:", *(f"  {one}" for one in entries)))
    golden(case / "interface.txt", text + "\n")
