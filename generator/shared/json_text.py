"""Readable JSON."""

from __future__ import annotations

import json
from typing import Any


def json_text(value: Any, *, sort_keys: bool = False) -> bytes:
    """Return indented JSON in UTF-8; lone surrogates, which UTF-8 cannot encode, are escaped."""
    try:
        text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=sort_keys, default=str)
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=1, sort_keys=sort_keys, default=str).encode()
    except RecursionError:  # nested too deeply for an indentation, which json does in Python
        return json.dumps(value, sort_keys=sort_keys, default=str).encode()
