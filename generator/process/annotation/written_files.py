"""Find the names that a Python notebook writes files to, such as ``picture`` in ``figure.savefig(picture)``."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from generator.notebook.languages.python_text import blank_magics
from generator.notebook.notebook import Cell

_WRITERS = frozenset(
    "savefig imsave imwrite write_image write_html savetxt to_csv to_excel to_feather to_file to_geojson to_json "
    "to_netcdf to_parquet to_raster to_zarr write_csv write_parquet".split()
)
"""Functions and methods whose first argument is the file that they write."""


def written_names(cells: Iterable[Cell]) -> frozenset[str]:
    """Return the variables that name the file of a call that writes; cells that cannot be parsed are skipped."""
    return frozenset(name for cell in cells if cell.kind == "code" for name in _names_in(cell.source))


def _names_in(source: str) -> Iterator[str]:
    try:
        tree = ast.parse(blank_magics(source)[0])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Name) and _writes(call):
            yield call.args[0].id


def _writes(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name in _WRITERS or (name == "open" and _is_open_for_writing(call))
    return False


def _is_open_for_writing(call: ast.Call) -> bool:
    given = [*call.args[1:2], *(one.value for one in call.keywords if one.arg == "mode")]
    modes = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return any(mode[:1] in ("w", "x") for mode in modes)
