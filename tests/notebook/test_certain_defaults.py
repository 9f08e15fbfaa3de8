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


@pytest.mark.parametrize("language", ["javascript", "typescript"])
@pytest.mark.parametrize(
    "cell",
    [
        'let x = "https://example.org/"\n  + "tiles/"',
        "let x = 24 // hours\n\n  // in seconds\n  * 3600",
        'let x = "A"\n  .toLowerCase()',
        "let x = [1]\n[0]",
        "let x = 1\n? 2 : 3",
        "let x = null\n  ?? 5",
        "x = 5\n!= 6",
        "let x = `a`\n`b`",
        "let x = 010",
        "let x = {__proto__: 1}",
        'let x = {"__proto__": null}',
        "let x = {010: 1}",
        "let x = 9007199254740993",
    ],
)
def test_a_value_of_javascript_that_is_no_literal_is_computed(language: str, cell: str) -> None:
    assert _defaults(language, cell) == {"x": COMPUTED}


@pytest.mark.parametrize("language", ["javascript", "typescript"])
@pytest.mark.parametrize("next_line", ["", "++y", "--y", "!y", "y", ";[y] = [1]", "{ }", '"b"', "5", "instance(y)"])
def test_a_line_of_javascript_that_begins_a_statement_changes_no_value(language: str, next_line: str) -> None:
    assert _defaults(language, f"let x = 0\n{next_line}")["x"] == 0
    assert _defaults(language, "let x = 0; // first\n+ 5")["x"] == 0


@pytest.mark.parametrize(
    ("language", "cell", "default"),
    [
        ("lua", 'x = "a"\n  .. "b"', COMPUTED),
        ("lua", "local x = 24 -- hours\n  * 3600", COMPUTED),
        ("lua", "x = nil\n  or 5", COMPUTED),
        ("lua", "x = {1, nil}", COMPUTED),
        ("lua", "x = [==[it's ]] a\n]==]", "it's ]] a\n"),
        ("lua", "x = 5 --[==[ ]] x = 6\nx = 7 ]==]", 5),
        ("lua", "x = 5\n(f)()", 5),
        ("lua", "x = 5\norder(1)", 5),
        ("lua", "x = 9223372036854775808", COMPUTED),
        ("octave", "x = ['data/' 'x.csv'];", COMPUTED),
        ("octave", "x = ['a', 'b'];", COMPUTED),
        ("octave", "x = [[1,2],[3]];", COMPUTED),
        ("octave", "x = [true, 5];", COMPUTED),
        ("octave", "x = [];", COMPUTED),
        ("octave", "x = ...\n  {1, 2};", COMPUTED),
        ("octave", "x = {{1, 2}, 'a'};", COMPUTED),
        ("octave", "x = {'a', [1 2], {}};", ["a", [1, 2], []]),
        ("octave", "x = 9007199254740993;", COMPUTED),
        ("gnuplot", "x = 010", COMPUTED),
        ("gnuplot", "x = 0.5", 0.5),
        ("r", "x <- c(c(1, 2), 3)", COMPUTED),
        ("r", 'x <- c(1, "a")', COMPUTED),
        ("r", "x <- c(1, NULL)", COMPUTED),
        ("r", "x <- c()", COMPUTED),
        ("r", 'x <- list(1, "a", NULL)', [1, "a", None]),
        ("r", "x <- list(a = 1, a = 2)", COMPUTED),
        ("r", "x <- 5\n+ 3", 5),
        ("julia", "x = 5\n+ 3", 5),
        ("julia", "x = Dict(a => 1)", COMPUTED),
        ("julia", 'x = ["a" "b"]', COMPUTED),
        ("julia", "x = 'a'", COMPUTED),
        ("powershell", "$x = @(@(1, 2))", COMPUTED),
        ("powershell", "$x = @'\nit's 5; $x = 6\n'@", COMPUTED),
        ("powershell", "$x = 'a'\n  | Out-String", COMPUTED),
        ("powershell", '$x = "say ““hi””"', COMPUTED),
    ],
)
def test_a_default_is_the_value_of_the_language(language: str, cell: str, default: object) -> None:
    assert _defaults(language, cell) == {"x": default}


@pytest.mark.parametrize("language", ["r", "julia", "javascript", "octave", "gnuplot"])
def test_a_name_within_a_chain_of_assignments_has_no_default_of_before(language: str) -> None:
    assert _defaults(language, "y = 1\nx = y = 2") == {"x": COMPUTED, "y": COMPUTED}


_CHANGES: Mapping[str, tuple[str, ...]] = {
    "bash": (
        *(
            "read x",
            "read -r y x < file",
            "unset x",
            "while IFS= read -r x; do y=1; done",
            "((x++))",
            "(( y = x += 1 ))",
            'let "x = 2"',
            "printf -v x %s 2",
            "printf -v 'x[0]' %s 2",
        ),
        *("unset 'x[0]'", 'read "x?Enter the name: "', 'read -p "Enter: " y "x"', "read < file x", "getopts a: x"),
        *(
            "for x in 1 2; do :; done",
            "select x in 1 2; do :; done",
            "command read x",
            "builtin read -r x",
            "let 'x[0]++'",
            "let y=1 x=2",
            "((x[0] += 1))",
            "read y && read x",
        ),
        *("x[0]=2", "x+=(2)", "true && x=2", "y=$((x++))", "mapfile -t x < file", "if true; then x=2; fi"),
    ),
    "javascript": (
        *(
            "x += 2",
            "x ??= 2",
            "x >>>= 1",
            "x++",
            "--x",
            "x[0] = 2",
            "x.a.b = 2",
            "x.push(2)",
            "x[0].sort()",
            "[x, y] = [2, 3]",
        ),
        *(
            ";[y, x] = [2, 3]",
            "({x} = {x: 2})",
            "let y = x++",
            'x["a"].push(2)',
            "x?.push(2)",
            "for (x of [1, 2]) {}",
            "for (x in y) {}",
            "const y = x.pop()",
            "delete x.a",
            "Object.assign(x, {a: 2})",
        ),
    ),
    "octave": (
        "x += 2;",
        "x++;",
        "x(2) = 5;",
        "x{2} = 'c';",
        "x.a = 2;",
        "x(end + 1).b = 2;",
        "x(min(2, 3)) = 2;",
        "[x, y] = size(5);",
        "[y x] = f();",
        "[~, x] = max(y);",
        "[x(1), y] = f();",
        "[y(1), x.a] = f();",
        "clear x",
    ),
    "julia": ("x += 2", "x .*= 2", "x[1] = 2", "push!(x, 2)", "x, y = 2, 3", "y = push!(x, 2)", "x.a = 2"),
    "r": (
        "x[2] <- 5",
        "x$a <- 2",
        "x[[1]]$a = 2",
        "names(x) <- 'a'",
        "names(x)[2] <- 'a'",
        "x %<>% sqrt",
        "levels(x)[[1]] <- 1",
        "for (x in 1:3) {}",
        "5 -> x",
        "f(y) ->> x",
        "attr(x, 'a') <- 2",
    ),
    "lua": ("x[1] = 2", "x.a = 2", "table.insert(x, 2)", "x, y = 2, 3", "y, x = 2, 3", "rawset(x, 1, 2)"),
    "scheme": ("(if y (set! x 2))", "(set-car! x 2)", "(begin (set! y 1) (set! x 2))"),
    "gnuplot": ("x[1] = 2", "x = x + 1"),
    "powershell": (
        "$x += 1",
        "$x++",
        "$x[0] = 2",
        "$x.a = 2",
        "$x.Add('b', 2)",
        "$x, $y = 2, 3",
        "$y = $x.Add(2)",
        "foreach ($x in 1..3) {}",
    ),
}
_READS: Mapping[str, tuple[str, ...]] = {
    "bash": (
        "echo $x",
        'echo "x=2"',
        "[ $x == 2 ] && echo y",
        "(( x == 2 ))",
        "y=$((x + 1))",
        "echo read x",
        'read -p "Enter the x: " y',
        'read -rp "x" y',
        "read y < x",
        'printf -v y "x %s" x',
        "getopts x: y",
        'let "y = x + 1"',
        "unset -f y; echo x",
        "read y && echo x",
        'read y <<< "x"',
    ),
    "javascript": (
        "console.log(x, x[0])",
        "if (x == 2) { y = x }",
        "x.map(f)",
        'log("x = 2")',
        "y = x => x",
        "x <= 2",
        "for (const y of x) {}",
        "log(Object.keys(x).length)",
        "const y = Object.freeze(x)",
        "Object.entries(x).map(f)",
    ),
    "octave": (
        "disp(x(1))",
        "[y(x), z] = f();",
        "[~, y] = max(x);",
        "if x == 2, y = x; end",
        "y = x';",
        "x ~= 2;",
        "printf('x = 2')",
    ),
    "julia": (
        "println(x[1])",
        "if x == 2; y = x end",
        "if x\n  y = 2\nend",
        "y = x -> x + 1",
        "f(x; y = 2)",
        "x != 2",
        "if !(x > 3) y = 2 end",
        "@assert !(x == 4)",
        "y = !(x)",
    ),
    "r": (
        "print(x[1])",
        "if (x == 2) y <- x",
        "f(x = 2)",
        "d %>% f(1, x = 2)",
        "y <- x$a",
        "x -> y",
        "for (y in x) {}",
        "length(x)",
    ),
    "lua": (
        "print(x[1])",
        "if x == 2 then y = x end",
        "y = x.a",
        "if x ~= 2 then f() end",
        'print(table.concat(x, ","))',
        "y = table.unpack(x)",
        "table.insert(y, x)",
    ),
    "scheme": ("(display x)", "(set! y x)", "(if (= x 2) (set! y x))"),
    "gnuplot": ("print x", "if (x == 2) { y = x }"),
    "powershell": ("Write-Output $x", "if ($x -eq 2) { $y = $x }", "$y = $x[0]", "$x.Count", "foreach ($y in $x) {}"),
}


def _after_a_value(language: str, line: str) -> object:
    first = {"bash": "x=1", "powershell": "$x = 1", "gnuplot": "array x[1] = [1]", "scheme": "(define x 1)"}.get(
        language, "x = 1"
    )
    return _defaults(language, f"{first}\n{line}")["x"]


@pytest.mark.parametrize("line", ["[~, idx] = max(v);", "[p(k), idx] = max(v);", "[idx, k2] = max(v);"])
def test_only_the_names_that_several_values_go_to_are_changed(line: str) -> None:
    assert _defaults("octave", f"idx = 0;\nk = 1;\ni = 2;\n{line}") == {"idx": COMPUTED, "k": 1, "i": 2}


@pytest.mark.parametrize("language", ["javascript", "typescript"])
@pytest.mark.parametrize(
    "cell",
    [
        "let a = 1, b = 2",
        "let a = 1\n  , b = 2",
        "let a = 1 // first\n  // second\n\n  , b = 2;",
        "const a = 1\n, b = 2\n, c = f()",
    ],
)
def test_a_comma_at_either_side_of_a_line_end_separates_declarations(language: str, cell: str) -> None:
    assert {**_defaults(language, cell), "c": COMPUTED} == {"a": 1, "b": 2, "c": COMPUTED}


@pytest.mark.parametrize("language", ["javascript", "typescript"])
def test_a_value_of_several_lines_before_a_comma_is_computed(language: str) -> None:
    assert _defaults(language, "let a = 1\n  + 2\n  , b = 2") == {"a": COMPUTED, "b": 2}
    assert _defaults(language, "a = 1\n  , b = 2") == {"a": COMPUTED}, "b is no declaration"


@pytest.mark.parametrize(("language", "line"), [(one, line) for one, lines in _CHANGES.items() for line in lines])
def test_a_value_that_a_later_line_changes_is_computed(language: str, line: str) -> None:
    assert _after_a_value(language, line) is COMPUTED


@pytest.mark.parametrize(("language", "line"), [(one, line) for one, lines in _READS.items() for line in lines])
def test_a_value_that_a_later_line_only_reads_is_a_default(language: str, line: str) -> None:
    assert _after_a_value(language, line) in (1, [1])


_SHELL_PIECES = (
    *("a", "5", ".", "-", "é", ":", "=", "''", "'$b'", "'\\'", '"it\'s"', '"$HOME"', "\"'$HOME'\"", '"\\$5"', "#", "@"),
    *('"\\\\"', '"a\\nb"', '"c\\\nd"', "\\$", "\\ ", "\\'", '\\"', "$'\\t'", '"\\`"', '"`echo c`"', '" "', "\\\n", "~"),
)


def _shell_values() -> Iterator[str]:
    pairs = [*((piece, "") for piece in _SHELL_PIECES), *product(_SHELL_PIECES, repeat=2)]
    yield from map("".join, pairs)
    yield from (f"({' '.join(pair)})" for pair in pairs)


def _javascript_values() -> Iterator[str]:
    values = ("5", "0", "010", "-1", "1_0", "9007199254740993", '"a"', "'b\\x41'", "`c`", "null", "[1, 'a']", "[]")
    objects = ("{a: 1}", "{1: 2}", "{010: 2}", "{__proto__: 1}", '{"a": {"__proto__": null}}', "{}")
    spaces = ("", " ", "\n", " // d\n\n", "/* e */\n")
    ends = ("+ 1", "- 1", "* 2", "[0]", "?.length", "?? 6", "? 2 : 3", "|| 7", "=== 1", ", z = 1", ";", "\n++y", "\n!y")
    yield from (value + "".join(end) for value in values + objects for end in [("",), *product(spaces, ends)])


def _octave_values() -> Iterator[str]:
    values = ("5", "010", "-1", "0x10", "9007199254740993", "'it''s'", '"b\\t"', "true", "[]", "{}", "[1 2]", "{1}")
    lists = ("{'a', 1}", "[1, 2; 3, 4]", "[true, false]", "{}", "['a' 'b']", "[[1, 2], [3]]")
    yield from values + lists
    yield from ("{" + separator.join(pair) + "}" for pair in product(values, repeat=2) for separator in (" ", ", "))
    yield from ("[" + separator.join(pair) + "]" for pair in product(values, repeat=2) for separator in (" ", ", "))


def _gnuplot_values() -> Iterator[str]:
    values = ("5", "010", "08", "0", "00", "0.5", "1e2", ".5", "-1", "-010", "'a'", "'it''s'", '"b\\t"', '"\\101"')
    ends = ("", " ", " # c", "; y = 2", " + 1", ".''", "\\\n.''", " \\\n + 1")
    yield from map("".join, product(values, ends))


_VALUES: Mapping[str, Callable[[], Iterator[str]]] = {
    "bash": _shell_values,
    "zsh": _shell_values,
    "javascript": _javascript_values,
    "octave": _octave_values,
    "gnuplot": _gnuplot_values,
}
_INTERPRETERS: Mapping[str, interpreters.Evaluate] = {
    "bash": interpreters.shell("bash"),
    "zsh": interpreters.shell("zsh"),
    "javascript": interpreters.node,
    "octave": interpreters.octave,
    "gnuplot": interpreters.gnuplot,
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
