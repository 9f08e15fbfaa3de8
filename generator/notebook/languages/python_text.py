"""The text of a Python cell before its meaning: IPython's magics, lines, comments, and where parsing fails."""

from __future__ import annotations

import ast
import io
import re
import tokenize

from generator.shared.errors import Mistake

_MAGIC = re.compile(r"\s*(%|!|\?|[\w.]+\?{1,2}\s*$)")
_SURE_MAGIC = re.compile(r"\s*[%!]")
_SHELL_ASSIGNMENT = re.compile(r"(\s*[\w, ]+=\s*)(?:%|!).*")
_LEAST_PARSED, _TIMES_PARSED = 1_000_000, 20
"""Each try parses the whole cell: all of them together parse these characters, or the cell so many times."""


def blank_magics(source: str) -> tuple[str, dict[int, str]]:
    """Blank IPython's ``%`` and ``!`` lines; return the source and the kind of each blanked line.

    Only a line at which parsing fails is read as a magic, with those that follow it, so a ``%`` inside a string stays.
    """
    lines = lines_of(source)
    passed_over: dict[int, str] = {}
    tries = max(_LEAST_PARSED // max(1, len(source)), _TIMES_PARSED)
    for _ in range(min(tries, len(lines)) + 1):
        try:
            ast.parse("\n".join(lines))
            break
        except (ValueError, RecursionError, MemoryError):
            break
        except SyntaxError as error:
            number = error.lineno or 0
            if not 1 <= number <= len(lines):
                break
            line = lines[number - 1]
            assignment = _SHELL_ASSIGNMENT.fullmatch(line)
            if not assignment and not _MAGIC.match(line):
                break
            following = _blank(lines, number)
            if assignment:
                lines[number - 1] = assignment[1] + "__shell__()"
                continue
            _pass_over(lines, number, line, passed_over)
            while following <= len(lines) and _SURE_MAGIC.match(line := lines[following - 1]):
                number, following = following, _blank(lines, following)
                _pass_over(lines, number, line, passed_over)
    return "\n".join(lines), passed_over


def _blank(lines: list[str], number: int) -> int:
    """Blank a line and those that continue it; return the number of the line after them."""
    last = number
    while lines[last - 1].endswith("\\") and last < len(lines):  # a backslash continues a magic
        last += 1
    lines[number - 1 : last] = [""] * (last - number + 1)
    return last + 1


def _pass_over(lines: list[str], number: int, line: str, passed_over: dict[int, str]) -> None:
    """Put a statement in the place of a blanked line if a block may need one, and note the line's kind."""
    indent = line[: len(line) - len(line.lstrip())]
    lines[number - 1] = f"{indent}pass" if indent else ""
    passed_over[number] = "magic" if "%" in line else "shell line" if "!" in line else "help line"


def lines_of(source: str) -> list[str]:
    """Split source into lines as Python's tokenizer does, not at a form feed or U+2028 inside a string."""
    return re.split(r"\r\n|\r|\n", source)


def syntax_mistake(source: str, error: Exception) -> Mistake:
    """Create the mistake for a cell that cannot be parsed, with its line."""
    lines = lines_of(source)
    number = min(max(getattr(error, "lineno", None) or 1, 1), len(lines))
    conflict = next((n for n, line in enumerate(lines, 1) if line.startswith(("<<<<<<< ", ">>>>>>> "))), None)
    if conflict:
        message = "the cell has a merge conflict: resolve it and commit again"
        return Mistake(line=conflict, text=lines[conflict - 1], message=message)
    reason = getattr(error, "msg", None) or str(error) or type(error).__name__
    return Mistake(line=number, text=lines[number - 1], message=f"the cell is not valid Python: {reason}")


def comments_in(source: str) -> dict[int, str]:
    """Map line numbers, from 1, to the comments of a cell."""
    found: dict[int, str] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                found[token.start[0]] = token.string
    except (tokenize.TokenError, IndentationError):
        pass  # ast has parsed the cell; missing comments are not worth a failure
    return found
