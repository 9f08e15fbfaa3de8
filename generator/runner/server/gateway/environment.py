"""What notebooks find in their environment variables."""

from __future__ import annotations

import os
from collections.abc import Collection

variable_prefix = "PACKMILL_GATEWAY_"


def set_environment(hidden: Collection[str]) -> None:
    """Remove the ``hidden`` variables, and tell notebooks where they run, as the Kernel Gateway does."""
    for name in hidden:
        os.environ.pop(name, None)
    os.environ["KERNEL_GATEWAY"] = "1"
