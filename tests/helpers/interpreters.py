"""Cells evaluated by the interpreters of their languages, or read by packmill's own readers, without a kernel."""

from __future__ import annotations

import ast
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from generator.notebook.languages import reader_of

Cells = Sequence[tuple[str, Mapping[str, Any]]]
"""The text of each cell, and the values that it should set."""
Values = list[dict[str, Any]]
Evaluate = Callable[[Cells, Path], Values]
"""Returns the values that each cell sets; the folder is for temporary files."""


def python(cells: Cells, _folder: Path) -> Values:
    """Python's own parser; a statement other than the assignment of a literal is an error."""
    found = []
    for text, _ in cells:
        statements = [one for one in ast.parse(text).body if isinstance(one, ast.Assign)]
        assert len(statements) == len(ast.parse(text).body)
        found.append({ast.unparse(one.targets[0]): ast.literal_eval(one.value) for one in statements})
    return found


def reader(language: str) -> Evaluate:
    """packmill's own reader of a language."""
    read = reader_of(language)
    assert read is not None
    return lambda cells, _: [{one.name: one.default for one in read(text).parameters} for text, _ in cells]


_NODE = """
const tagged = (v) => v === null ? null : typeof v === 'bigint' ? {big: String(v)} : typeof v === 'number' ?
  {number: Object.is(v, -0) ? '-0.0' : String(v)} : Array.isArray(v) ? {list: v.map(tagged)} : typeof v === 'object' ?
  {entries: Object.entries(v).map(([key, one]) => [key, tagged(one)])} : v
"""


def node(cells: Cells, folder: Path) -> Values:
    """JavaScript in node; each cell is a block."""
    shown = "console.log(JSON.stringify([{names}].map(tagged)))"
    blocks = (f"{{\n{text}\n{shown.format(names=', '.join(values))}\n}}" for text, values in cells)
    program = folder / "cells.js"
    program.write_text(_NODE + "\n".join(blocks), encoding="utf-8")
    lines = _run("node", str(program)).decode().removesuffix("\n").split("\n")
    return [
        dict(zip(values, map(_untagged, json.loads(line)), strict=True))
        for line, (_, values) in zip(lines, cells, strict=True)
    ]


def _untagged(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kind, content = next(iter(value.items()))
    if kind == "entries":
        return {key: _untagged(item) for key, item in content}
    if kind == "list":
        return [_untagged(item) for item in content]
    return int(content) if kind == "big" else float(content)


_SHOW = {
    "bash": """export LC_ALL=C
show() {
  local -n v=$1
  case ${v@a} in
    *a*) printf 'l%d\\n\\n' ${#v[@]}; for one in "${v[@]}"; do printf 's%d\\n%s\\n' ${#one} "$one"; done ;;
    *) printf 's%d\\n%s\\n' ${#v} "$v" ;;
  esac
}
""",
    "zsh": """unsetopt multibyte
show() {
  local list=("${(@P)1}")
  case ${(tP)1} in
    association*) list=("${(@kvP)1}"); print -r -- "d$((${#list} / 2))"$'\\n' ;;
    array*) print -r -- "l${#list}"$'\\n' ;;
  esac
  for one in "${list[@]}"; do print -r -- "s${#one}"$'\\n'"$one"; done
}
""",
}


def shell(name: str) -> Evaluate:
    """bash or zsh; each cell runs in a subshell. Arrays are lists, other values texts."""

    def evaluate(cells: Cells, folder: Path) -> Values:
        blocks = ("\n".join(["(", text, *(f"show {one}" for one in values), ")\n"]) for text, values in cells)
        program = folder / f"cells.{name}"
        program.write_text(_SHOW[name] + "".join(blocks), encoding="utf-8")
        return _records(_run(name, str(program)), cells)

    return evaluate


_OCTAVE = """1;
function show(v)
  if ischar(v) printf("s%d\\n", numel(v)); fputs(stdout, v); printf("\\n");
  elseif isa(v, "containers.Map")
    names = keys(v); printf("d%d\\n\\n", numel(names));
    for i = 1:numel(names) show(names{i}); show(v(names{i})); end
  elseif iscell(v) printf("l%d\\n\\n", numel(v)); for i = 1:numel(v) show(v{i}); end
  elseif !isscalar(v) printf("l%d\\n\\n", numel(v)); for i = 1:numel(v) show(v(i)); end
  elseif islogical(v) printf("b%d\\n\\n", v);
  elseif isinteger(v) printf("i%d\\n\\n", v);
  else printf("f%.17g\\n\\n", v); end
end
"""


def octave(cells: Cells, folder: Path) -> Values:
    """Octave without its settings; a matrix is a list."""
    program = folder / "cells.m"
    blocks = ("\n".join([text, *(f"show({one});" for one in values), ""]) for text, values in cells)
    program.write_text(_OCTAVE + "".join(blocks), encoding="utf-8")
    return _records(_run("octave", "--no-gui", "--norc", "--quiet", str(program)), cells)


def gnuplot(cells: Cells, folder: Path) -> Values:
    """gnuplot, which prints each value as the kind that it should have."""
    blocks = ("\n".join([text, *_gnuplot_prints(values), ""]) for text, values in cells)
    program, output = folder / "cells.gp", folder / "printed"
    program.write_text(f"set print '{output}'\n" + "".join(blocks), encoding="utf-8")
    _run("gnuplot", str(program))
    return _records(output.read_bytes(), cells)


def _gnuplot_prints(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, list):
            yield f'print sprintf("l%d\\n", |{name}|)'
            yield from (_gnuplot_print(f"{name}[{number}]", item) for number, item in enumerate(value, start=1))
        else:
            yield _gnuplot_print(name, value)


def _gnuplot_print(place: str, value: Any) -> str:
    if isinstance(value, str):  # sprintf cuts long texts, and strlen counts characters
        return f'print sprintf("s%d", {len(value.encode())})\nprint {place}'
    return f'print sprintf("{"f%.17g" if isinstance(value, float | None) else "i%d"}\\n", {place})'


def _records(data: bytes, cells: Cells) -> Values:
    """Parse records of a kind and a number, a text, and a line end."""
    found = []
    place = 0

    def value() -> Any:
        nonlocal place
        head, _, _ = data[place:].partition(b"\n")
        kind, number = head[:1], head[1:].decode()
        place += len(head) + 1 + (int(number) if kind == b"s" else 0)
        text = data[place - int(number) : place].decode() if kind == b"s" else ""
        place += 1
        if kind in b"ld":
            items = [value() for _ in range(int(number) * (2 if kind == b"d" else 1))]
            return items if kind == b"l" else dict(zip(items[::2], items[1::2], strict=True))
        return (
            text
            if kind == b"s"
            else {b"b": bool, b"i": int, b"f": float}[kind](float(number) if kind == b"b" else number)
        )

    for _, values in cells:
        found.append({name: value() for name in values})
    return found


def _run(*command: str) -> bytes:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[:2000]
    return done.stdout
