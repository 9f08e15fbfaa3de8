"""A default is the value that the language itself has, or counts as computed: it is never a guess."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import interpreters
import pytest

from generator.notebook.languages import reader_of
from generator.notebook.parameters import Missing
from generator.runner.document.injection import find_translator

COMPUTED = Missing.COMPUTED
_SHELLS = ("bash", "zsh")


def _defaults(language: str, cell: str) -> dict[str, Any]:
    read = reader_of(language)
    assert read is not None
    return {one.name: one.default for one in read(cell).parameters}


class TestShells:
    @pytest.mark.parametrize("language", _SHELLS)
    @pytest.mark.parametrize(
        "value",
        [
            """"name = '$USER'\"""",
            """"day = '$(date +%F)'\"""",
            """"it's `date` o'clock\"""",
            """("it's $USER" "it's")""",
            "<(ls)",
            "=ls",
            "a:=ls",
            "${y:-a b}",
            "a$(echo b c)",
        ],
    )
    def test_a_value_that_the_shell_expands_is_computed(self, language: str, value: str) -> None:
        assert _defaults(language, f"x={value}") == {"x": COMPUTED}

    @pytest.mark.parametrize("language", _SHELLS)
    @pytest.mark.parametrize(
        ("value", "default"),
        [
            (r'"\$5"', "$5"),
            (r'"a\`b\"\\"', 'a`b"\\'),
            (r'"a\nb"', r"a\nb"),
            ('"a\\\nb"', "ab"),
            (r"""a"b"'c'\d""", "abcd"),
            (r"""("it's" '$5' "\$5" "")""", ["it's", "$5", "$5", ""]),
        ],
    )
    def test_backslashes_and_quotes_are_those_of_the_shell(self, language: str, value: str, default: object) -> None:
        assert _defaults(language, f"x={value}") == {"x": default}

    @pytest.mark.parametrize("cell", ["x=5&&y=6", "x=(a b) y=(c d)", "x=a|tee log"])
    def test_several_commands_in_a_line_are_no_value(self, cell: str) -> None:
        assert _defaults("bash", "y=1\n" + cell)["y"] is (1 if "|" in cell else COMPUTED)
        assert "x" not in _defaults("bash", cell)

    @pytest.mark.parametrize(
        ("cell", "default"),
        [("declare -i x=2+3", COMPUTED), ("declare -u x=abc", COMPUTED), ("declare -xi x=5", 5), ("typeset -r y=1", 1)],
    )
    def test_a_value_that_a_declaration_converts_is_computed(self, cell: str, default: object) -> None:
        assert list(_defaults("bash", cell).values()) in ([default], [])


_SHELL_PIECES = (
    *("a", "5", ".", "-", "é", ":", "=", "''", "'$b'", "'\\'", '"it\'s"', '"$HOME"', "\"'$HOME'\"", '"\\$5"', "#", "@"),
    *('"\\\\"', '"a\\nb"', '"c\\\nd"', "\\$", "\\ ", "\\'", '\\"', "$'\\t'", '"\\`"', '"`echo c`"', '" "', "\\\n", "~"),
)


def _shell_values() -> Iterator[str]:
    pairs = [*((piece, "") for piece in _SHELL_PIECES), *product(_SHELL_PIECES, repeat=2)]
    yield from map("".join, pairs)
    yield from (f"({' '.join(pair)})" for pair in pairs)


_VALUES: Mapping[str, Callable[[], Iterator[str]]] = {
    "bash": _shell_values,
    "zsh": _shell_values,
}
_INTERPRETERS: Mapping[str, interpreters.Evaluate] = {
    "bash": interpreters.shell("bash"),
    "zsh": interpreters.shell("zsh"),
}


@pytest.mark.parametrize("language", _VALUES)
def test_an_injected_default_is_the_value_that_the_cell_has(language: str, tmp_path: Path) -> None:
    if not shutil.which("node" if language == "javascript" else language):
        pytest.skip(f"{language} is not installed here")
    translator = find_translator("", language)
    assert translator is not None
    sign = "=" if language in _SHELLS else " = "
    own, injected = [], []
    for value in _VALUES[language]():
        cell = f"x{sign}{value}"
        default = _defaults(language, cell).get("x", COMPUTED)
        if not isinstance(default, Missing):
            end = ";\nkind = class(x);" if language == "octave" else ""  # a matrix, or a cell array
            values = {"x": default, **({"kind": ""} if end else {})}
            before = "let y = 0, z;" if language == "javascript" else ""
            own.append((f"{before}var {cell}" if before else cell + end, values))
            injected.append((translator.cell({"x": default}) + end, values))
    evaluate = _INTERPRETERS[language]

    found = zip(own, evaluate(own, tmp_path), evaluate(injected, tmp_path), strict=True)

    assert len(own) > 20
    assert [(cell, has, gets) for (cell, _), has, gets in found if has != gets] == []
