"""GPUs that a tool suggests: a hint that this machine cannot satisfy is left out, instead of ending the run."""

from __future__ import annotations

import logging
from typing import Any

_CUDA = "http://commonwl.org/cwltool#CUDARequirement"
_logger = logging.getLogger("cwltool")


def satisfiable_hints(hints: list[Any]) -> list[Any]:
    """Return the hints without the one for GPUs, if this machine lacks them.

    cwltool itself ends a run whose hint for GPUs it cannot satisfy. A hint is a suggestion (CWL v1.2, "Requirements and
    hints").
    """
    from cwltool.cuda import cuda_check

    kept = []
    for hint in hints:
        count = _devices(hint)
        if count and not cuda_check(hint, count):
            _logger.warning("the process asks for %d GPU(s), which are unavailable here: it runs without", count)
        else:
            kept.append(hint)
    return kept


def _devices(hint: Any) -> int:
    """Return how many GPUs a hint suggests; 0 for other hints."""
    if not isinstance(hint, dict) or hint.get("class") != _CUDA:
        return 0
    count = hint.get("cudaDeviceCountMin", hint.get("cudaDeviceCountMax", 1))
    return count if isinstance(count, int) and count > 0 else 1
