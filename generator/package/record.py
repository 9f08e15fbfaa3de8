"""``package.json`` of a package that anyone may have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from generator.shared.yaml_limits import check_size, read_text


def read_json(file: Path) -> Any:
    """Read a JSON file of bounded size.

    Raises:
        OSError: the file cannot be read, or is not a regular file.
        ValueError: the file is not JSON, too long, or nested too deep.
    """
    text = read_text(file)
    check_size(text)
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_record(package: Path) -> Any:
    """Read a package's ``package.json``; raises the errors of `read_json`."""
    return read_json(package / "package.json")
