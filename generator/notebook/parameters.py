"""The values that ``languages/`` read from a parameters cell, before ``interface`` translates them for CWL."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import Union

from generator.shared.errors import Mistake
from generator.shared.safe_text import for_terminal

type_names = (
    "string int integer long float double bool boolean file directory any secret stage-in stage_in stage-out stage_out "
    "date datetime bbox geojson"
).split()
"""The hints of the original system and packmill's own, as messages list them."""

Literal = Union[  # noqa: UP007 - a string inside cannot be joined by |
    None, bool, int, float, str, list["Literal"], tuple["Literal", ...], dict[str, "Literal"]
]
"""A value that is known without running the cell."""


class Word(str, Enum):
    """A closed set of words that print as themselves (enum.StrEnum begins with Python 3.11, images may hold 3.10)."""

    __str__ = str.__str__


class CwlType(Word):
    """The CWL types that a parameter can have (CWL v1.2, CWLType, plus enum and Any)."""

    INT = "int"
    LONG = "long"
    FLOAT = "float"
    DOUBLE = "double"
    STRING = "string"
    BOOLEAN = "boolean"
    ENUM = "enum"
    FILE = "File"
    DIRECTORY = "Directory"
    ANY = "Any"


class Format(Word):
    """The form of a value that CWL has no type for; the words are those of JSON Schema where it has one."""

    DATE = "date"
    DATETIME = "date-time"
    BBOX = "bbox"
    GEOJSON = "geojson"


class Role(Word):
    """The use of a parameter: a value, a file staged in, or a file staged out."""

    VALUE = "value"
    STAGE_IN = "stage-in"
    STAGE_OUT = "stage-out"


class Missing(Enum):
    """The reason that a parameter has no literal default."""

    UNSET = "only annotated: a run must give it"
    COMPUTED = "only running the cell gives it"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """The range of a number or a date, or of the number of a text's characters; None is open.

    The bounds of a date are texts such as ``2020-01-31`` or ``today``. ``step`` is for forms and is never checked.
    """

    minimum: int | float | str | None = None
    maximum: int | float | str | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    step: int | float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Hint:
    """A type as written by a person: in a ``# type:`` comment or an annotation."""

    type: CwlType = CwlType.ANY
    array: bool = False
    optional: bool = False
    role: Role = Role.VALUE
    symbols: tuple[str, ...] = ()
    secret: bool = False
    format: Format | None = None
    bounds: Bounds | None = None
    unit: str = ""
    """The unit of a number, as the author writes it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """A name that the cell sets, with the line (from 1) and the line's text for messages."""

    name: str
    line: int
    text: str
    default: Literal | Missing
    hint: Hint | None = None
    doc: str = ""
    native: bool = False
    """Whether the cell has a date of its language, not a text; ``default`` is its text in ISO 8601."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """A message about a part of the cell that is not used; line 0 is the whole notebook.

    The message has no control characters: it is shown on terminals and pages, and written to documents.
    """

    line: int
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", for_terminal(self.message))


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The parameters of one cell, with remarks and mistakes."""

    parameters: tuple[Parameter, ...] = ()
    remarks: tuple[Remark, ...] = ()
    mistakes: tuple[Mistake, ...] = ()

    def moved(self, lines: int) -> Reading:
        """Return the reading of a cell that begins after ``lines`` lines of a text notebook."""
        if not lines:
            return self
        return Reading(
            parameters=tuple(replace(one, line=one.line + lines) for one in self.parameters),
            remarks=tuple(_moved_remark(one, lines) for one in self.remarks),
            mistakes=tuple(replace(one, line=one.line + lines) for one in self.mistakes),
        )


def _moved_remark(remark: Remark, lines: int) -> Remark:
    """Move a remark that is about a line, and the number of the line that it mentions."""
    if not remark.line:
        return remark
    message = re.sub(r"\bin line (\d+)", lambda match: f"in line {int(match[1]) + lines}", remark.message)
    return Remark(line=remark.line + lines, message=message)
