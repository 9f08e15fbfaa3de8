"""Locations of files in a step's inputs: CWL records, URLs and File objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.shared.failures import BadInputsError
from generator.shared.staging_records import Kind, is_record_in_text, stage_in_kinds, stage_out_kinds
from generator.shared.suggestions import did_you_mean
from generator.staging import urls

_KINDS = {"s3_url": "S3", "url": "URL", "stac_url": "STAC", "collection_id": "MAAP", "path": "Local"}
_KINDS |= {"directory": "OGC", "folder": "Local"}
_ALIASES = {"region": "region_name"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """The location of one or more files: its kind, addresses, and the record with its other fields."""

    kind: str
    """S3, URL, STAC, MAAP, Local or OGC, recognized by the field with the address."""
    addresses: tuple[Any, ...] = field(repr=False)
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)


def read_locations(value: Any) -> list[Location]:
    """Read the locations in an ``input_path``, in order.

    Raises:
        BadInputsError: a value is neither a URL, a File, nor a record of a known kind, or is a record in text.
    """
    _refuse_record_in_text(value, "the input")
    return [one for item in _flatten(value) for one in _read_value(item, stage_in_kinds)]


def read_destination(value: Any) -> Location | None:
    """Read the destination in an ``output_path``, None without one.

    Raises:
        BadInputsError: the value is neither one URL nor one record of a known kind, or is a record in text.
    """
    if value is None or value == "":
        return None
    _refuse_record_in_text(value, "stage_out")
    found = [one for item in _flatten(value) for one in _read_value(item, stage_out_kinds)]
    if len(found) != 1 or len(found[0].addresses) != 1:
        raise BadInputsError("stage_out: give exactly one destination")
    return found[0]


def _refuse_record_in_text(value: Any, name: str) -> None:
    """Refuse a record in quotes without repeating it: it may have secrets."""
    if any(isinstance(item, str) and is_record_in_text(item) for item in _flatten(value)):
        raise BadInputsError(f"{name}: a record is needed, not its text; write it without quotes around it")


def _flatten(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _flatten(item)
    elif value is not None:
        yield value


def _read_value(value: Any, kinds: tuple[Kind, ...]) -> list[Location]:
    if isinstance(value, str):
        return [_make_url_location(value)]
    if not isinstance(value, Mapping):
        raise BadInputsError(f"a {type(value).__name__} is neither a URL, a File nor a record")
    if value.get("class") in ("File", "Directory"):
        return [Location(kind="Local", addresses=(value,))]
    record = {_ALIASES.get(str(name), str(name)): item for name, item in value.items() if item is not None}
    place = next((name for name in _KINDS if name in record), "")
    known = sorted({field.name for kind in kinds for field in kind.fields} | set(_ALIASES))
    unknown = [name for name in record if name not in known]
    if unknown:
        raise BadInputsError(f"{unknown[0]!r} is not a field of a record{did_you_mean(unknown[0], known)}")
    if not place:
        raise BadInputsError(f"a record with one of {', '.join(_KINDS)} is needed, not one with {', '.join(record)}")
    addresses = tuple(_flatten(record[place]))
    for address in addresses:
        if isinstance(address, str) and (wrong := urls.find_problem(address)):
            raise BadInputsError(wrong)
    if place not in ("path", "collection_id") and not all(isinstance(one, str) and one for one in addresses):
        raise BadInputsError(f"{place}: text is needed, the address of one file or a list of such")
    return [
        _make_url_location(one, record) if place == "url" else _make_location(place, one, record) for one in addresses
    ]


def _make_location(place: str, address: Any, record: Mapping[str, Any]) -> Location:
    return Location(kind=_KINDS[place], addresses=(address,), record=record)


def _make_url_location(url: str, record: Mapping[str, Any] | None = None) -> Location:
    if wrong := urls.find_problem(url):
        raise BadInputsError(wrong)
    kind = {"s3": "S3", "": "Local", "file": "Local"}.get(urls.scheme(url), "URL")
    return Location(kind=kind, addresses=(url,), record=record or {})
