"""Convert an interface to the JSON of ``packmill inspect --json`` and ``package.json``."""

from __future__ import annotations

from typing import Any

from generator.notebook.bounds import bounds_to_dict
from generator.notebook.interface import Input, Interface, type_name
from generator.notebook.parameters import Format, Hint, Literal, Missing


def to_dict(interface: Interface) -> dict[str, Any]:
    """Convert an interface to the JSON of ``packmill inspect --json`` and ``package.json``."""
    return {
        "inputs": [_input_dict(one) for one in interface.values],
        "stage_in": [
            {
                "name": one.name,
                "type": type_name(one.hint),
                "default": _json(one.default),
                "doc": one.doc,
                "line": one.line,
                **hint_to_dict(one.hint),
            }
            for one in interface.stage_ins
        ],
        "outputs": [
            {
                "name": one.name,
                "type": f"{one.type}[]" if one.array else str(one.type),
                "glob": one.glob,
                "doc": one.doc,
                "line": one.line,
            }
            for one in interface.outputs
        ],
        "warnings": [{"line": remark.line, "message": remark.message} for remark in interface.warnings],
    }


def _input_dict(one: Input) -> dict[str, Any]:
    default = {} if isinstance(one.default, Missing) else {"default": _json(one.default)}
    return {
        "name": one.name,
        "type": str(one.hint.type),
        "array": one.hint.array,
        "optional": one.hint.optional,
        **default,
        "symbols": list(one.hint.symbols),
        "secret": one.hint.secret,
        "doc": one.doc,
        "line": one.line,
        **hint_to_dict(one.hint),
        **_dynamic(one),
    }


def hint_to_dict(hint: Hint) -> dict[str, Any]:
    """Return the format, the bounds and the unit of a type, those that it has."""
    return {
        **({"format": str(hint.format)} if hint.format else {}),
        **bounds_to_dict(hint),
        **({"unit": hint.unit} if hint.unit else {}),
    }


def _dynamic(one: Input) -> dict[str, bool]:
    """Mark a default that a run resolves, such as ``today-5d``."""
    if one.hint.format not in (Format.DATE, Format.DATETIME):
        return {}
    from generator.notebook.dates import is_dynamic

    return {"dynamic": True} if is_dynamic(one.default) else {}


def _json(default: Literal | Missing) -> Any:
    return None if isinstance(default, Missing) else default
