"""Whether a kernel can be forked from a prepared process."""

from __future__ import annotations

from generator.runner.kernels.specs import Kernel
from generator.runner.server.kernels.stock import has_profile

_STARTS = {("-m", "ipykernel_launcher", "-f", "{connection_file}"), ("-m", "ipykernel", "-f", "{connection_file}")}


def why_cold(kernel: Kernel, environment: dict[str, str]) -> str:
    """Return why a kernel cannot be forked in an environment; empty if it can."""
    if kernel.language.lower() != "python":
        return f"the language is {kernel.language}"
    words = tuple(word for word in kernel.argv[1:] if word != "-Xfrozen_modules=off")
    is_own = len(words) == 3 and words[0].endswith("packmill/kernel/kernel.py") and words[1] == "-f"
    if not is_own and words not in _STARTS:
        return "its command is not that of ipykernel"
    return "IPython has settings or startup files" if has_profile(kernel, environment) else ""
