"""Names that IPython runs as commands: ``time: float = 5.0``, alone in a cell, is ``%time`` with an argument."""

from __future__ import annotations

import ast

from generator.notebook.parameters import Remark

_line_magics = frozenset(
    "alias alias_magic autoawait autocall automagic bookmark cat cd code_wrap colors conda config cp debug dhist dirs "
    "doctest_mode ed edit env gui hist history killbgscripts ldir lf lk ll load load_ext loadpy logoff logon logstart "
    "logstate logstop ls lsmagic lx macro magic mamba matplotlib micromamba mkdir mv notebook page pastebin pdb pdef "
    "pdoc pfile pinfo pinfo2 pip popd pprint precision prun psearch psource pushd pwd pycat pylab quickref recall "
    "rehashx reload_ext rep rerun reset reset_selective rm rmdir run save sc set_env sx system tb time timeit unalias "
    "unload_ext uv who who_ls whos xdel xmode".split()
)
"""IPython 9.18, ``%lsmagic``."""


def magic_remarks(source: str, tree: ast.Module) -> list[Remark]:
    """Warn of an annotated parameter that IPython runs as a command, which it does in cells of one line."""
    if len(source.strip().splitlines()) != 1 or not tree.body:
        return []
    first = tree.body[0]
    if not isinstance(first, ast.AnnAssign) or not isinstance(first.target, ast.Name):
        return []
    name = first.target.id
    if name not in _line_magics:
        return []
    message = (
        f"{name} is also a command of IPython, which runs the only line of a cell as %{name}: the notebook fails; "
        f"add a second line to the cell, or write the type as a comment"
    )
    return [Remark(line=first.lineno, message=message)]
