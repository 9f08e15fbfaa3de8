"""Outputs of another kind than their document declares, such as a folder among files.

cwltool would end the run after them, and discard all results, the executed notebook included.
"""

from __future__ import annotations

import logging
import re
from typing import Any

_logger = logging.getLogger("cwltool")


def keep_declared_kind(port: dict[str, Any], value: Any) -> Any:
    """Leave files or folders of another kind out of an optional or array output, with a warning."""
    kinds = port["type"] if isinstance(port["type"], list) else [port["type"]]
    arrays = [one["items"] for one in kinds if isinstance(one, dict) and one.get("type") == "array"]
    if isinstance(value, list) and len(arrays) == 1 and arrays[0] in ("File", "Directory"):
        return [one for one in value if _has_kind(one, arrays[0], port)]
    declared = [kind for kind in kinds if kind in ("File", "Directory")]
    if isinstance(value, dict) and len(declared) == 1 and "null" in kinds and not _has_kind(value, declared[0], port):
        return None
    return value


def without_hidden(name: str, value: Any) -> Any:
    """Leave hidden files out of an output: among the results, one could be a program's configuration."""
    if isinstance(value, list):
        return [one for one in value if not _is_hidden(one, name)]
    return None if _is_hidden(value, name) else value


def _has_kind(value: Any, kind: str, port: dict[str, Any]) -> bool:
    if not isinstance(value, dict) or value.get("class") in (kind, None):
        return True
    found = "folder" if kind == "File" else "file"
    name = str(port["id"]).rpartition("#")[2].rpartition("/")[2]
    _logger.warning("output %s: %r is a %s, but a %s is declared; left out", name, value.get("basename"), found, kind)
    return False


def _is_hidden(value: Any, name: str) -> bool:
    basename = value.get("basename") if isinstance(value, dict) and "class" in value else None
    if not isinstance(basename, str) or not re.fullmatch(r"\.[^/]*[^/.][^/]*", basename):
        return False
    _logger.warning("output %s: %r is hidden and left out; give it a name without the dot", name, basename)
    return True
