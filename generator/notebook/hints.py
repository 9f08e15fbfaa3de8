"""Parse type hints such as ``int``, ``float?``, ``string[]``, ``List[int]``, ``float | None`` or ``stage-in``.

One grammar serves ``# type:`` comments and Python annotations::

    hint  = term { "|" term }
    term  = name [ "[" hint { "," hint } "]" | "[" range "]" ] { "[]" | "?" }
    range = [ [ ">" ] value ] ".." [ [ "<" ] value ] [ "step" value ]

The unit of a number follows it: ``int[1..10] K``, or any text in brackets, ``float [furlong]``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from generator.notebook.bounds import BoundsError, parse_bounds
from generator.notebook.literals import widen_hint
from generator.notebook.parameters import CwlType, Format, Hint, Role, type_names
from generator.shared.errors import KNOWN_TYPES
from generator.shared.safe_text import printable
from generator.shared.suggestions import nearest

_SCALARS = {
    "string": CwlType.STRING,
    "str": CwlType.STRING,
    "path": CwlType.STRING,
    "purepath": CwlType.STRING,
    "pathlike": CwlType.STRING,
    "int": CwlType.INT,
    "integer": CwlType.INT,
    "long": CwlType.LONG,
    "float": CwlType.FLOAT,
    "double": CwlType.DOUBLE,
    "bool": CwlType.BOOLEAN,
    "boolean": CwlType.BOOLEAN,
    "file": CwlType.FILE,
    "directory": CwlType.DIRECTORY,
    "any": CwlType.ANY,
    "object": CwlType.ANY,
    "dict": CwlType.ANY,
    "mapping": CwlType.ANY,
    "mutablemapping": CwlType.ANY,
}
_FORMATS = {
    "date": Hint(type=CwlType.STRING, format=Format.DATE),
    "datetime": Hint(type=CwlType.STRING, format=Format.DATETIME),
    "date-time": Hint(type=CwlType.STRING, format=Format.DATETIME),
    "bbox": Hint(type=CwlType.DOUBLE, array=True, format=Format.BBOX),
    "geojson": Hint(type=CwlType.ANY, format=Format.GEOJSON),
}
_SEQUENCES = {"list", "sequence", "iterable", "collection", "tuple"}
_TRANSPARENT = {"final", "classvar"}
_TOKEN = re.compile(r"[ \t]*(?P<token>[A-Za-z_][\w.]*(?:-(?:in|out|time)\b)?|\[|\]|,|\||\?)")
_QUOTED = re.compile(r"""[ \t]*(?P<literal>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|-?\d+(?:\.\d+)?)""")
TYPE_COMMENT = re.compile(r"#\s*type\s*:(?!\s*ignore\b)\s*(?P<hint>.+)", re.IGNORECASE)
"""A comment that holds a hint; ``# type: ignore`` is for type checkers."""

_RANGE = re.compile(r"[ \t]*\[(?P<range>[^\[\]]{0,200}\.\.[^\[\]]{0,200})\]")
_UNIT = re.compile(r"[ \t]*\[[ \t]*(?P<unit>[^\[\]]{1,40}?)[ \t]*\]")
_ENDS = (",", ";", ":", "#", "(", " - ", " – ", " — ")
"""What ends a unit in the text after a type."""
_MARKS = "#,:-–—"
_NUMBERS = (CwlType.INT, CwlType.LONG, CwlType.FLOAT, CwlType.DOUBLE)
_NONE = Hint(optional=True, symbols=("None",))
_LONGEST = 20_000
"""Characters in which a hint is looked for."""
LONGEST_INTEGER = 300
"""Characters of a number that is a choice: Python writes none with more than 4,300 digits."""
_T = TypeVar("_T")


class UnknownHintError(ValueError):
    """A hint that is not a type; the message lists the known types."""

    def __init__(self, hint: str) -> None:
        self.hint = hint
        guess = nearest(hint.lower(), type_names) if re.fullmatch(r"[\w-]+", hint) else None
        did_you_mean = f"Did you mean {guess!r}? " if guess else ""
        known = ", ".join(type_names)
        super().__init__(f"{hint!r} is not a type. {did_you_mean}{KNOWN_TYPES}{known}; also type[] and type?")


class WrongRangeError(UnknownHintError):
    """A type with bounds that it cannot have."""

    def __init__(self, hint: str, problem: str) -> None:
        self.hint = hint
        ValueError.__init__(self, f"{hint!r} is not a type with bounds: {problem}")


def parse_hint(text: str) -> tuple[Hint, str]:
    """Parse a hint at the start of ``text``; return it and the doc text that follows it.

    Raises:
        UnknownHintError: the text does not start with a known type.
    """
    parser = _Parser(text[:_LONGEST])
    try:
        hint = parser.union()
    except RecursionError:
        raise UnknownHintError(text[:40] + "...") from None
    return _with_unit(hint, text[parser.position :])


def _with_unit(hint: Hint, rest: str) -> tuple[Hint, str]:
    """Read the unit after the type of a number; the text of a type without bounds stays as it is."""
    is_number = hint.type in _NUMBERS and hint.format is None
    if is_number and (bracketed := _UNIT.match(rest)):
        return replace(hint, unit=printable(bracketed["unit"])), _doc(rest[bracketed.end() :])
    doc = _doc(rest)
    if not is_number or not doc:
        return hint, doc
    from generator.notebook.units import is_unit

    clause = doc
    for end in _ENDS:
        clause = clause.partition(end)[0].rstrip()
    if not is_unit(clause):
        return hint, doc
    return replace(hint, unit=clause), _doc(doc[len(clause) :]) if hint.bounds else doc


def _doc(text: str) -> str:
    return text.strip().lstrip(_MARKS).strip()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def peek(self) -> str:
        match = _TOKEN.match(self.text, self.position)
        return match["token"] if match else ""

    def take(self) -> str:
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            raise UnknownHintError(self.text[self.position :].strip() or self.text)
        self.position = match.end()
        return match["token"]

    def union(self) -> Hint:
        members = [self.term()]
        while self.peek() == "|":
            self.take()
            members.append(self.term())
        return members[0] if len(members) == 1 else _union(members)

    def term(self) -> Hint:
        quoted = _QUOTED.match(self.text, self.position)
        if quoted and quoted["literal"][0] in "\"'":
            self.position = quoted.end()
            return parse_hint(quoted["literal"][1:-1])[0]
        name = self.take()
        if not (name[0].isalpha() or name[0] == "_"):
            raise UnknownHintError(self.text.strip())
        return self.suffixes(self.named(name))

    def named(self, name: str) -> Hint:
        short = name.rpartition(".")[2].lower()
        if short in ("literal", "annotated"):
            return self.literal() if short == "literal" else self.annotated()
        if (ranged := self.ranged(short)) is not None:
            return ranged
        arguments = self.arguments(may_be_unit=short in _SCALARS)
        found = _value_type(short, arguments) or _composed_type(short, arguments)
        if found is None:
            raise UnknownHintError(name)
        return found

    def ranged(self, name: str) -> Hint | None:
        """Parse a type with a range, such as ``int[1..10]``; None if the name has none."""
        hint = _FORMATS.get(name) or (Hint(type=_SCALARS[name]) if name in _SCALARS else Hint())
        match = _RANGE.match(self.text, self.position) if name in _FORMATS or name in _SCALARS else None
        if match is None:
            return None
        try:
            bounds = parse_bounds(match["range"], hint)
        except BoundsError as error:
            raise WrongRangeError(f"{name}[{match['range'].strip()}]", str(error)) from None
        self.position = match.end()
        return widen_hint(replace(hint, bounds=bounds), [bounds.minimum, bounds.maximum])

    def arguments(self, *, may_be_unit: bool = False) -> list[Hint]:
        """Parse the types in brackets; after a space, other text may be a unit."""
        if self.peek() != "[" or self.is_array_mark():
            return []
        start = self.position
        try:
            return self.bracketed(self.union)
        except UnknownHintError:
            if not (may_be_unit and self.text[start : start + 1].isspace()):
                raise
            self.position = start
            return []

    def bracketed(self, item: Callable[[], _T]) -> list[_T]:
        self.take()
        items = [item()]
        while self.peek() == ",":
            self.take()
            if self.text[self.position :].lstrip().startswith("..."):
                self.position = self.text.index("...", self.position) + 3
                break
            items.append(item())
        if self.take() != "]":
            raise UnknownHintError(self.text.strip())
        return items

    def annotated(self) -> Hint:
        """Parse ``Annotated[T, …]`` as T with the bounds and the unit among the rest, and skip what is unknown."""
        self.take()
        hint, depth, start = self.union(), 1, self.position
        while depth:
            step = re.compile(rf"{_QUOTED.pattern}|[\"'][^\]]*|.", re.DOTALL).match(self.text, self.position)
            if step is None:
                raise UnknownHintError(self.text.strip())
            depth += {"[": 1, "]": -1}.get(step[0], 0)
            self.position = step.end()
        rest = self.text[start : self.position - 1]
        if not rest.strip(" ,"):
            return hint
        from generator.notebook.constraints import constrained

        return constrained(hint, rest)

    def literal(self) -> Hint:
        """Parse ``Literal["a", "b"]`` as an enum, and one of numbers or of several types as these choices."""
        listed = self.bracketed(self.literal_value)
        values, optional = [value for value in listed if value != "None"], "None" in listed
        symbols = tuple(dict.fromkeys(_unquote(value) if value[0] in "\"'" else value for value in values))
        if values and all(value[0] in "\"'" for value in values):
            return Hint(type=CwlType.ENUM, symbols=symbols, optional=optional)
        if values and all(re.fullmatch(r"-?\d+", value) for value in values):
            return widen_hint(Hint(type=CwlType.INT, symbols=symbols, optional=optional), [int(one) for one in symbols])
        if {*values} == {"True", "False"} or any(re.match(r"(?!True$|False$)[^\W\d]", value) for value in values):
            symbols = ()  # both values of a boolean, or names such as Color.RED, whose values are unknown
        is_boolean = bool(values) and {*values} <= {"True", "False"}
        return Hint(type=CwlType.BOOLEAN if is_boolean else CwlType.ANY, symbols=symbols, optional=optional)

    def literal_value(self) -> str:
        quoted = _QUOTED.match(self.text, self.position)
        if quoted is None:
            return self.take()
        if quoted["literal"][0] not in "\"'" and len(quoted["literal"]) > LONGEST_INTEGER:
            raise UnknownHintError(f"Literal[{quoted['literal'][:20]}...")
        if any("\ud800" <= one <= "\udfff" for one in _unquote(quoted["literal"])):  # half a pair: no document has it
            raise UnknownHintError(f"Literal[{quoted['literal'][:20]}")
        self.position = quoted.end()
        return quoted["literal"]

    def is_array_mark(self) -> bool:
        return re.match(r"[ \t]*\[[ \t]*\]", self.text[self.position :]) is not None

    def suffixes(self, hint: Hint) -> Hint:
        while True:
            if self.peek() == "?":
                self.take()
                hint = replace(hint, optional=True)
            elif self.peek() == "[" and self.is_array_mark():
                self.take(), self.take()
                hint = _array_of(hint)
            else:
                return hint


def _value_type(name: str, arguments: list[Hint]) -> Hint | None:
    """Return the type of a single value; None if the name is not one of a type."""
    if name == "file" and arguments and arguments[0].format is Format.GEOJSON:
        return replace(arguments[0], type=CwlType.FILE)
    if name in _SCALARS:
        return Hint(type=_SCALARS[name])
    if name == "secret":
        return Hint(type=CwlType.STRING, secret=True)
    return _NONE if name in ("none", "null", "nonetype") else _FORMATS.get(name)


def _composed_type(name: str, arguments: list[Hint]) -> Hint | None:
    """Return the type that a name makes of others; None if the name is unknown."""
    if name in _SEQUENCES:
        return _array_of(_union([a for a in arguments if a is not _NONE]) if arguments else Hint())
    if name in _TRANSPARENT:
        return arguments[0] if arguments else Hint()
    if name in ("optional", "union"):
        return replace(_union(arguments), optional=True) if name == "optional" else _union(arguments)
    if name in ("stage-in", "stage_in"):
        return replace(arguments[0] if arguments else Hint(), role=Role.STAGE_IN)
    if name in ("stage-out", "stage_out"):
        return replace(arguments[0] if arguments else Hint(type=CwlType.FILE), role=Role.STAGE_OUT)
    return None


def _unquote(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text[1:-1]


def _array_of(item: Hint) -> Hint:
    if item.optional:  # CWL's Any takes an array with holes; an array of T does not.
        return Hint()
    if item.array:
        return Hint(type=CwlType.ANY, array=True, role=item.role)
    return replace(item, array=True)


def _union(members: list[Hint]) -> Hint:
    optional = any(member.optional for member in members)
    kinds = list(dict.fromkeys(replace(member, optional=False) for member in members if member is not _NONE))
    if not kinds:
        return Hint(optional=True)
    if len(kinds) == 1:
        return replace(kinds[0], optional=optional)
    if all(kind.symbols and not kind.array and kind.type is kinds[0].type for kind in kinds):
        symbols = dict.fromkeys(symbol for kind in kinds for symbol in kind.symbols)
        return Hint(type=kinds[0].type, symbols=tuple(symbols), optional=optional)
    kinds_of_cwl = {(kind.type, kind.array) for kind in kinds}
    if kinds_of_cwl <= {(CwlType.INT, False), (CwlType.FLOAT, False)}:
        return Hint(type=CwlType.FLOAT, optional=optional)
    if kinds_of_cwl == {(CwlType.STRING, False)} and not any(kind.secret or kind.symbols for kind in kinds):
        return Hint(type=CwlType.STRING, optional=optional)
    return Hint(optional=optional)
