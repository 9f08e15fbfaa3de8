"""HDF5 and NetCDF-4 files, read without the HDF5 library: h5netcdf over pyfive, which is Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from generator.staging.stac.formats.arrays import Group, Variable, plain_attribute

_MOST_GROUPS = 200
_MOST_VARIABLES = 2000


@contextmanager
def open_groups(path: Path) -> Iterator[Iterator[Group]]:
    """Open a file; its groups come in the order of their depth, the file's own first.

    A group sees the coordinates of the groups that it is in (NetCDF-4, "Groups").
    """
    import h5netcdf

    with h5netcdf.File(path, "r", backend="pyfive", phony_dims="sort", decode_vlen_strings=True) as file:
        yield islice(_groups(file), _MOST_GROUPS)


def _groups(file: Any) -> Iterator[Group]:
    waiting: list[tuple[Any, dict[str, Variable]]] = [(file, {})]
    while waiting:
        group, inherited = waiting.pop(0)
        own = {name: _variable(one) for name, one in islice(group.variables.items(), _MOST_VARIABLES)}
        yield Group(variables={**inherited, **own}, attributes=_attributes(group))
        visible = {**inherited, **{name: one for name, one in own.items() if len(one.shape) <= 1}}
        waiting += [(group.groups[name], visible) for name in list(group.groups)[:_MOST_GROUPS]]


def _variable(one: Any) -> Variable:
    kind = getattr(one.dtype, "name", "other")
    return Variable(
        name=one.name.rpartition("/")[2],
        dimensions=tuple(name.rpartition("/")[2] for name in one.dimensions),
        shape=tuple(map(int, one.shape)),
        data_type=kind,
        attributes=_attributes(one),
        read=lambda: one[...],
    )


def _attributes(one: Any) -> dict[str, Any]:
    found = {}
    for name in list(one.attrs)[:_MOST_VARIABLES]:
        try:
            found[str(name)] = plain_attribute(one.attrs[name])
        except (ValueError, TypeError, KeyError, NotImplementedError, OSError):
            continue
    return found
