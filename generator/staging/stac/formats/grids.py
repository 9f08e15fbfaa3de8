"""Rasters: the affine transformation of their pixels to coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from generator.staging.stac.footprints import Point

Affine = tuple[float, float, float, float, float, float]
"""x = a * column + b * row + c; y = d * column + e * row + f."""

_PER_SIDE = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A raster in a reference system: its size in pixels, and the place of the outer corner of its first pixel."""

    columns: int
    rows: int
    affine: Affine

    def is_valid(self) -> bool:
        """Whether it has pixels, and each has a place of its own."""
        a, b, _, d, e, _ = self.affine
        finite = all(map(math.isfinite, self.affine))
        return finite and self.columns > 0 and self.rows > 0 and a * e - b * d != 0

    def at(self, column: float, row: float) -> Point:
        """Return the coordinates of a place in the grid."""
        a, b, c, d, e, f = self.affine
        return a * column + b * row + c, d * column + e * row + f

    def place_of(self, x: float, y: float) -> Point:
        """Return the column and row of coordinates."""
        a, b, c, d, e, f = self.affine
        scale = a * e - b * d
        return (e * (x - c) - b * (y - f)) / scale, (a * (y - f) - d * (x - c)) / scale

    def sides(self, *, inset: float = 0.0) -> list[list[Point]]:
        """Return the points of its four sides."""
        left, right = inset * self.columns, self.columns * (1 - inset)
        top, bottom = inset * self.rows, self.rows * (1 - inset)
        steps = [number / _PER_SIDE for number in range(_PER_SIDE + 1)]
        corners = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]
        return [
            [self.at(x0 + share * (x1 - x0), y0 + share * (y1 - y0)) for share in steps]
            for (x0, y0), (x1, y1) in pairwise(corners)
        ]

    def bbox(self) -> list[float]:
        """Return the bounding box in its own coordinates."""
        xs, ys = zip(*(point for side in self.sides() for point in side), strict=True)
        return [min(xs), min(ys), max(xs), max(ys)]
