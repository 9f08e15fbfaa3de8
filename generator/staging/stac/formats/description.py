"""The description of one file, which travels as JSON from the process that reads the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from generator.staging.stac.footprints import Footprint


class UnclearError(Exception):
    """A property of a file cannot be determined; the text is for the author of the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """STAC fields of a file; what its content does not say is empty."""

    footprint: Footprint | None = None
    start: str = ""
    """The first time of the data (RFC 3339), with ``end`` the last one; both or none."""
    end: str = ""
    projection: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the projection extension (v2.0.0)."""
    cube: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the datacube extension (v2.2.0)."""
    bands: Sequence[Mapping[str, Any]] = ()
    """STAC 1.1, common metadata, "Bands"."""
    media_type: str = ""
    remark: str = ""
    """Why there is no footprint, if the format could have one."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Description:
        """Return the description with these fields.

        Raises:
            TypeError, KeyError: the fields are not those of `to_json`.
        """
        found = fields["footprint"]
        footprint = found and Footprint(dict(found["geometry"]), tuple(found["bbox"]))
        return cls(**{**fields, "footprint": footprint})
