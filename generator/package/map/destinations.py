"""Where rows deliver their results (``stage_out``): each to a place of its own, since deliveries replace files.

Only addresses count: a plain name is a folder among the results of each row.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from typing import Any

stage_out_input = "stage_out"
"""The input of a package with the destination; `generator.shared.contract` has that of the step."""
_ADDRESSES = ("s3_url", "url")
"""The fields of records that have an address (`generator.shared.staging_records`)."""
_HAS_PLACE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]")
_PLAIN, _OTHER = re.compile(r"[A-Za-z0-9._/-]+"), re.compile(r"[^A-Za-z0-9._/-]+")


def shared_destinations(destinations: Mapping[int, Any]) -> list[str]:
    """Describe the rows that deliver to the place of an earlier one; ``destinations`` are values by the row's number.

    The addresses are not repeated, since they may have passwords.
    """
    first: dict[tuple[str, str], int] = {}
    wrong: list[str] = []
    for number, value in destinations.items():
        record = value if isinstance(value, Mapping) else {"url": value}
        address = str(next(filter(None, map(record.get, _ADDRESSES)), ""))
        if _HAS_PLACE.match(address):
            other = first.setdefault((str(record.get("endpoint_url") or ""), address.rstrip("/")), number)
            if other != number:
                wrong.append(f"row {number}: stage_out is that of row {other}, whose results would be replaced")
    return wrong


def name_below(folder: str) -> str:
    """Return the name of a row below a common destination: that of its folder, or one like it that an address can have.

    It depends on no other row, which may be added later.
    """
    if _PLAIN.fullmatch(folder):
        return folder
    return f"{_OTHER.sub('_', folder)}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]}"


def below(value: Any, name: str) -> Any:
    """Return a destination with a name added to its address; one without an address is returned as it is."""
    if isinstance(value, str):
        return f"{value.rstrip('/')}/{name}" if _HAS_PLACE.match(value) else value
    if isinstance(value, Mapping):
        return {key: below(item, name) if key in _ADDRESSES else item for key, item in value.items()}
    return value
