"""The language of a kernel that a notebook names without its language, from what kernels are called."""

from __future__ import annotations

import re

_LANGUAGES = (
    (r"python\d*|conda-.*-py|xpython.*|ipython\d*", "python"),
    (r"ir|xr|r", "r"),
    (r"julia", "julia"),
    (r"bash", "bash"),
    (r"zsh", "zsh"),
    (r"sos", "sos"),
    (r"octave|xoctave", "octave"),
    (r"gnuplot", "gnuplot"),
    (r"calysto_scheme|scheme", "scheme"),
    (r"i?lua|xlua", "lua"),
    (r"tslab|typescript|deno", "typescript"),
    (r"jslab|javascript|nodejs|xjavascript", "javascript"),
    (r"\.net-powershell|powershell|pwsh", "powershell"),
    (r"kotlin", "kotlin"),
    (r"i?java|jjava|rapaio-jupyter-kernel", "java"),
)
"""Patterns of names; a version may follow after ``-``."""
_LONGEST = 200


def language_of_kernel(name: str) -> str:
    """Return the language of a kernel, in lower case, or '' if its name does not tell."""
    plain = name[:_LONGEST].lower()
    return next((word for names, word in _LANGUAGES if re.fullmatch(rf"(?:{names})(?:-.*)?", plain)), "")
