"""The interface of a process: its inputs, staged inputs and outputs, with their names in CWL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.notebook.bounds import describe_range
from generator.notebook.parameters import CwlType, Format, Hint, Literal, Missing, Remark, Role
from generator.notebook.placement import Placement
from generator.notebook.stage_ins import is_given_as_path
from generator.shared.safe_text import printable

_RESERVED = {"id", "__id", "class", "cwl:tool", "cwl:requirements", "output_nb", "output_dir", "scraps"}
_RESERVED |= {"scrap_files", "output_template"}
_RESERVED |= {"path", "location"}  # cwltool and Toil take their values in a job for addresses of files
_RESERVED |= {"stage_out", "stac_catalog", "cache_dir", "credentials", "config_dir", "staged", "staged_dir"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """One value that a run may set; required if it is not optional and has no default."""

    name: str
    hint: Hint
    default: Literal | Missing = Missing.UNSET
    doc: str = ""
    line: int = 0
    typed: bool = field(default=False, compare=False)
    """Whether the cell declares the type, so that it is not inferred from the default."""
    native: bool = False
    """Whether the process gets a date of its language, not a text; ``default`` is its text."""

    @property
    def id(self) -> str:
        """The name in CWL; names with another meaning in a job file, such as ``id``, get an underscore."""
        return cwl_id(self.name)

    @property
    def required(self) -> bool:
        """Whether a run must set it; the default of a staged file is only valid on the author's machine."""
        return not self.hint.optional and (isinstance(self.default, Missing) or self.hint.role is Role.STAGE_IN)

    @property
    def as_path(self) -> bool:
        """Whether the process gets a file as the text of its path, not as a File object."""
        return is_given_as_path(self.hint.role, self.default)


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """A file, several files, or a folder that a run writes; ``glob`` is relative to the output directory.

    ``placeholder`` is the path in the cell if it exists only on the author's machine: the process gets another one.
    """

    name: str
    type: CwlType
    glob: str
    array: bool = False
    optional: bool = False
    doc: str = ""
    line: int = 0
    placeholder: str = ""

    @property
    def id(self) -> str:
        """The name in CWL."""
        return cwl_id(self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Interface:
    """All inputs and outputs of a process, in the cell's order."""

    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    warnings: tuple[Remark, ...] = ()
    placement: Placement | None = None
    """Where values go in a notebook of another tool's dialect; None for an ordinary parameters cell."""

    def input(self, name: str) -> Input:
        """Return the input with this name.

        Raises:
            KeyError: the process has no input with this name.
        """
        return {one.name: one for one in self.inputs}[name]

    def public(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a run, and defaults of what it leaves out, without secret ones: for paths of files."""
        defaults = {one.name: one.default for one in self.inputs if not isinstance(one.default, Missing)}
        secret = {one.name for one in self.inputs if one.hint.secret}
        return {name: value for name, value in {**defaults, **values}.items() if name not in secret}

    @property
    def values(self) -> tuple[Input, ...]:
        """The inputs that are not staged."""
        return tuple(one for one in self.inputs if one.hint.role is Role.VALUE)

    @property
    def stage_ins(self) -> tuple[Input, ...]:
        """The inputs that are staged."""
        return tuple(one for one in self.inputs if one.hint.role is Role.STAGE_IN)


def cwl_id(name: str) -> str:
    """Return the CWL identifier of a parameter; unique, as `_` is also appended to reserved names with underscores."""
    return f"{name}_" if name.rstrip("_") in _RESERVED else name


def parameter_name(identifier: str) -> str:
    """Return the name of the parameter with this CWL identifier."""
    return identifier[:-1] if identifier.endswith("_") and identifier.rstrip("_") in _RESERVED else identifier


def label(name: str) -> str:
    """Return a parameter's name as words."""
    return " ".join(name.replace("_", " ").split()) or name


def type_name(hint: Hint) -> str:
    """Return the name of a type, such as ``int`` or ``File[]``, without the question mark of an optional."""
    return f"{hint.type}[]" if hint.array else str(hint.type)


def described_type(hint: Hint) -> str:
    """Return a type in words with its form, its range and its unit: ``int from 1 to 10 K``, ``date[]``."""
    name = " | ".join(hint.symbols) if hint.type is CwlType.ENUM else type_name(hint)
    if hint.format:
        is_list = hint.array and hint.format is not Format.BBOX
        file = "File: " if hint.type is CwlType.FILE else ""
        name = f"{file}{hint.format}{'[]' if is_list else ''}"
    ranged = printable(describe_range(hint) or hint.unit)
    return f"{name} {ranged}" if ranged else name
