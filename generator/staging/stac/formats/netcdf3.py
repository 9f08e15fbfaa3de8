"""Files in NetCDF's classic formats: the classic one, with 64-bit offsets, and with 64-bit data.

https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from generator.staging.stac.formats.arrays import Group, Variable, plain_attribute

_TYPES = {1: "i1", 2: "S1", 3: "i2", 4: "i4", 5: "f4", 6: "f8", 7: "u1", 8: "u2", 9: "u4", 10: "i8", 11: "u8"}
_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12
_MOST = 10_000
_LARGEST_ATTRIBUTE = 2**20


@contextmanager
def open_groups(path: Path) -> Iterator[Iterator[Group]]:
    """Open a file, which is one group."""
    with path.open("rb") as file:
        version = file.read(4)[3]
        yield iter([_Reader(file, path, version).group()])


@dataclass(slots=True)
class _Reader:
    file: BinaryIO
    path: Path
    version: int

    def group(self) -> Group:
        """Read the header."""
        records = self._size()
        dimensions = [(self._name(), self._size()) for _ in range(self._count(_DIMENSIONS))]
        attributes = self._attributes()
        variables = [self._variable(dimensions) for _ in range(self._count(_VARIABLES))]
        stride = sum(size for _, _, _, _, size, _, is_record in variables if is_record)
        only = sum(is_record for *_, is_record in variables) == 1
        found = {}
        for name, names, own_shape, own, _, (kind, begin), is_record in variables:
            shape = (records, *own_shape[1:]) if is_record else own_shape
            step = (_item_size(kind, shape[1:]) if only else stride) if is_record else 0
            found[name] = Variable(
                name=name,
                dimensions=names,
                shape=shape,
                data_type=_data_type(kind),
                attributes=own,
                read=_reading(self.path, kind, shape, begin, step),
            )
        return Group(variables=found, attributes=attributes)

    def _variable(self, dimensions: list[tuple[str, int]]) -> Any:
        name = self._name()
        own = [dimensions[self._size()] for _ in range(self._bounded())]
        attributes = self._attributes()
        kind = _TYPES[self._integer()]
        size = self._size()
        (begin,) = struct.unpack(">I" if self.version == 1 else ">Q", self.file.read(4 if self.version == 1 else 8))
        shape = tuple(length for _, length in own)
        return name, tuple(one for one, _ in own), shape, attributes, size, (kind, begin), shape[:1] == (0,)

    def _attributes(self) -> dict[str, Any]:
        return {self._name(): self._attribute() for _ in range(self._count(_ATTRIBUTES))}

    def _attribute(self) -> Any:
        import numpy

        kind, number = numpy.dtype(">" + _TYPES[self._integer()]), self._size()
        size = kind.itemsize * number
        if size > _LARGEST_ATTRIBUTE:
            raise ValueError("attribute too long")
        data = self.file.read(size + -size % 4)[:size]
        return plain_attribute(data.rstrip(b"\0") if kind.kind == "S" else numpy.frombuffer(data, kind))

    def _count(self, mark: int) -> int:
        """Read the beginning of a list, which is absent if it is empty."""
        found, number = self._integer(), self._bounded()
        if found not in (0, mark):
            raise ValueError("not a list of this kind")
        return number

    def _name(self) -> str:
        size = self._bounded()
        return self.file.read(size + -size % 4)[:size].decode("utf-8", "replace")

    def _bounded(self) -> int:
        number = self._size()
        if number > _MOST:
            raise ValueError("too many entries")
        return number

    def _size(self) -> int:
        if self.version != 5:
            return self._integer()
        return int(struct.unpack(">Q", self.file.read(8))[0])

    def _integer(self) -> int:
        return int(struct.unpack(">I", self.file.read(4))[0])


def _item_size(kind: str, shape: tuple[int, ...]) -> int:
    size = int(kind[1])
    for length in shape:
        size *= length
    return size


def _data_type(kind: str) -> str:
    import numpy

    return "other" if kind == "S1" else numpy.dtype(kind).name


def _reading(path: Path, kind: str, shape: tuple[int, ...], begin: int, step: int) -> Any:
    """Return a function that reads the values; those of record variables are ``step`` bytes apart."""

    def read() -> Any:
        import numpy

        size = _item_size(kind, shape[1:] if step else shape)
        data = bytearray()
        with path.open("rb") as file:
            for index in range(shape[0] if step else 1):
                file.seek(begin + index * step)
                data += file.read(size)
        return numpy.frombuffer(bytes(data), ">" + kind).reshape(shape).astype(kind)

    return read
