"""The values of a run as text that contains no secret."""

from __future__ import annotations

import json
from typing import Any

from generator.package.file_objects import is_file_object
from generator.shared.json_text import spell_non_finite
from generator.shared.safe_text import redacted

HIDDEN = "(secret)"
_ADDRESSES = frozenset(
    "s3_url url stac_url collection_id granule_name path folder directory assets roles checksum location".split()
)
"""The fields of a record that name its files; the others are credentials, or say how to use them."""


def shown_value(value: Any) -> Any:
    """Return a value for a crate: a text, a number or a boolean; other values become JSON.

    Users, passwords and queries of URLs are removed, and all fields of a stage-in or stage-out record that are not
    addresses. Infinite numbers and NaN are texts.
    """
    value = spell_non_finite(value)
    if isinstance(value, bool | int | float):
        return value
    return redacted(value) if isinstance(value, str) else json.dumps(_public(value), ensure_ascii=False)


def shown_record(value: Any) -> Any:
    """Return the value of a stage-in or a stage-out: an address, or the addresses in a record."""
    return shown_value(_addresses(value))


def _addresses(value: Any) -> Any:
    if isinstance(value, list):
        return [_addresses(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {"class", *_ADDRESSES} if is_file_object(value) else _ADDRESSES
    return {name: _addresses(item) for name, item in value.items() if name in kept}


def _public(value: Any) -> Any:
    if isinstance(value, list):
        return [_public(item) for item in value]
    if isinstance(value, dict):
        return {name: _public(item) for name, item in value.items()}
    return redacted(value) if isinstance(value, str) else value
