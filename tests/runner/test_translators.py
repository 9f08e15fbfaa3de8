"""Parameters as source code, language by language; `test_languages.py` gives the same values to real kernels."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from generator.runner.document.injection import find_translator
from generator.runner.document.translators import Translator, find, register

_LANGUAGES = ("octave", "javascript", "scheme", "lua", "gnuplot", "zsh", "powershell", "kotlin", "java")
_QUOTES = 'it\'s "q" `date` $x ${y} $(z) %d \\n é中😀 # c ‘t’'


def _literal(language: str, value: Any) -> str:
    return _translator(language).translate(value)


def _translator(language: str) -> Translator:
    found = find(language)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("octave", "'it''s \"q\" `date` $x ${y} $(z) %d \\n é中😀 # c ‘t’'"),
        ("lua", '"it\'s \\"q\\" `date` $x ${y} $(z) %d \\\\n é中😀 # c ‘t’"'),
        ("scheme", '"it\'s \\"q\\" `date` $x ${y} $(z) %d \\\\n é中😀 # c ‘t’"'),
        ("gnuplot", "'it''s \"q\" `date` $x ${y} $(z) %d \\n é中😀 # c ‘t’'"),
        ("zsh", "'it'\\''s \"q\" `date` $x ${y} $(z) %d \\n é中😀 # c ‘t’'"),
        ("powershell", "'it''s \"q\" `date` $x ${y} $(z) %d \\n é中😀 # c ‘‘t’’'"),
        ("kotlin", '"it\'s \\"q\\" `date` \\$x \\${y} \\$(z) %d \\\\n é中😀 # c ‘t’"'),
        ("java", '"it\'s \\"q\\" `date` $x ${y} $(z) %d \\\\n é中😀 # c ‘t’"'),
        (
            "javascript",
            '"it\'s \\"q\\" `date` $x ${y} $(z) %d \\\\n \\u00e9\\u4e2d\\ud83d\\ude00 # c \\u2018t\\u2019"',
        ),
    ],
)
def test_nothing_in_a_text_has_a_meaning_of_its_own(language: str, expected: str) -> None:
    assert _literal(language, _QUOTES) == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("octave", r'"a\nb\tc\015d\001\302\205\342\200\250"'),
        ("lua", r'"a\nb\009c\013d\001\194\133\226\128\168"'),
        ("gnuplot", r"""'a'."\012".'b'."\011".'c'."\015".'d'."\001\302\205\342\200\250" """.strip()),
        ("zsh", r"$'a\012b\011c\015d\001\302\205\342\200\250'"),
        ("powershell", "('a\nb\tc' + [char]13 + 'd' + [char]1 + '' + [char]133 + '' + [char]8232 + '')"),
        ("kotlin", r'"a\u000ab\u0009c\u000dd\u0001\u0085\u2028"'),
        ("java", r'"a\012b\011c\015d\001\205\u2028"'),
        ("javascript", r'"a\nb\tc\rd\u0001\u0085\u2028"'),
    ],
)
def test_control_characters_are_escapes(language: str, expected: str) -> None:
    assert _literal(language, "a\nb\tc\rd\x01\x85\u2028") == expected


@pytest.mark.parametrize("language", [one for one in _LANGUAGES if one not in ("powershell", "scheme")])
def test_a_text_never_breaks_its_line(language: str) -> None:
    every = "".join(map(chr, (*range(1, 0x120), 0x2028, 0x2029)))

    assert len(_literal(language, every).splitlines()) == 1


_SCALARS = {
    "octave": ("true", "3", "1e-07", "Inf", "-Inf", "NaN", "NaN", "0x0020000000000001s64"),
    "javascript": ("true", "3", "1e-07", "Infinity", "-Infinity", "NaN", "null", "9007199254740993n"),
    "scheme": ("#t", "3", "1e-07", "+inf.0", "-inf.0", "+nan.0", "'()", "9007199254740993"),
    "lua": ("true", "3", "1e-07", "math.huge", "-math.huge", "(0/0)", "nil", "9007199254740993"),
    "gnuplot": ("1", "3", "1e-07", "1e308*10", "-1e308*10", "NaN", "NaN", "9007199254740993"),
    "zsh": ("true", "3", "0.0000001", "inf", "-inf", "nan", "''", "9007199254740993"),
    "powershell": (
        *("$true", "3", "1e-07", "[double]::PositiveInfinity", "[double]::NegativeInfinity", "[double]::NaN"),
        *("$null", "9007199254740993"),
    ),
    "kotlin": (
        *("true", "3", "1e-07", "Double.POSITIVE_INFINITY", "Double.NEGATIVE_INFINITY", "Double.NaN", "null"),
        "9007199254740993L",
    ),
    "java": (
        *("true", "3", "1e-07", "Double.POSITIVE_INFINITY", "Double.NEGATIVE_INFINITY", "Double.NaN", "null"),
        "9007199254740993L",
    ),
}


@pytest.mark.parametrize("language", _SCALARS)
def test_values_of_every_kind(language: str) -> None:
    values = (True, 3, 1e-07, inf, -inf, nan, None, 2**53 + 1)

    assert tuple(_literal(language, value) for value in values) == _SCALARS[language]


def test_a_large_float_is_no_integer_in_zsh() -> None:
    """Its integers have 64 bits: arithmetic would overflow, and divide without a remainder."""
    assert [_literal("zsh", value) for value in (2e17, -1e22, 3.0, 0.5)] == [
        "200000000000000000.0", "-10000000000000000000000.0", "3.0", "0.5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("octave", "{1, 'a', [2, NaN], {}}"),
        ("javascript", '[1, "a", [2, null], []]'),
        ("scheme", '(list 1 "a" (list 2 \'()) (list))'),
        ("powershell", "@(1, 'a', @(2, $null), @())"),
        ("kotlin", 'listOf(1, "a", listOf(2, null), listOf<Any?>())'),
    ],
)
def test_lists(language: str, expected: str) -> None:
    assert _literal(language, [1, "a", [2, None], []]) == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("octave", "containers.Map({'k', 'a b'}, {1, [true, false]}, 'UniformValues', false)"),
        ("javascript", '{"k": 1, "a b": [true, false]}'),
        ("scheme", '(list (cons "k" 1) (cons "a b" (list #t #f)))'),
        ("lua", '{["k"] = 1, ["a b"] = {true, false}}'),
        ("powershell", "@{'k' = 1; 'a b' = @($true, $false)}"),
        ("kotlin", 'mapOf("k" to 1, "a b" to listOf(true, false))'),
    ],
)
def test_dictionaries(language: str, expected: str) -> None:
    assert _literal(language, {"k": 1, "a b": [True, False]}) == expected


@pytest.mark.parametrize(
    ("language", "value"),
    [
        ("octave", 2**70 + 1),
        ("octave", {"": 1}),
        ("lua", 2**70 + 1),
        ("lua", [1, None]),
        ("gnuplot", 2**70 + 1),
        ("gnuplot", []),
        ("gnuplot", [[1]]),
        ("gnuplot", {"a": 1}),
        ("gnuplot", "a\0b"),
        ("gnuplot", "x" * 5000),
        ("zsh", [[1]]),
        ("zsh", {"a": [1]}),
        ("powershell", {"a": 1, "A": 2}),
        ("zsh", "\ud800"),
    ],
)
def test_a_value_without_a_literal_is_refused_with_its_name(language: str, value: Any) -> None:
    with pytest.raises(NotImplementedError, match=r"^given: "):
        _translator(language).codify({"given": value})


@pytest.mark.parametrize("language", _LANGUAGES)
@pytest.mark.parametrize("name", ["a b", "a;b", "a\nb", "$(x)", "1", "", "x := 1", "a'b", "`a`", "(a)", '"'])
def test_a_name_is_never_code(language: str, name: str) -> None:
    with pytest.raises(NotImplementedError, match="not a valid variable name"):
        _translator(language).codify({name: 1})


def test_javascript_declares_a_name_as_the_parameters_cell_does() -> None:
    cell = "export const a: number = 1;\nlet b = 'x',\n d = [1, 2]; var c=1, e = 2\nconst f = (x) => x\nif (b == 1) { }"

    text = _translator("typescript").after(cell).codify({"a": 3, "b": "y", "c": 4, "d": 5, "new": 6})

    assert text == '// Parameters\nconst a: number = 3;\nlet b = "y";\nvar c = 4;\nlet d = 5;\nvar new = 6;\n'


def test_gnuplot_gets_neighboring_apostrophes_as_escapes() -> None:
    expected = "_\\047_.'a''b'._\\047\\047_.'c'".replace("_", '"')

    assert _literal("gnuplot", "'a'b''c") == expected


def test_an_array_of_one_array_is_not_unrolled_by_powershell() -> None:
    assert _literal("powershell", [[1, 2]]) == "@(,@(1, 2))"


def test_long_values_are_split_for_kernels_behind_a_terminal() -> None:
    for language in ("octave", "zsh"):
        for value in ("é'" * 5000, "\u2028" * 5000, [12345] * 5000, ["a b"] * 5000):
            lines = _literal(language, value).splitlines()
            assert max(len(line.encode()) for line in lines) < 4000, language


@pytest.mark.parametrize(
    ("kernel", "language"),
    [
        *(("", language) for language in ("octave", "Octave", "TypeScript", "zsh", "sos", "r", "PowerShell", "python")),
        *((kernel, "") for kernel in ("calysto_scheme", "tslab", "jslab", ".net-powershell")),
    ],
)
def test_kernels_and_languages_by_their_names(kernel: str, language: str) -> None:
    assert find_translator(kernel, language) is not None


def test_papermill_finds_them_in_its_registry() -> None:
    from papermill.translators import PapermillTranslators, papermill_translators

    registry = PapermillTranslators()
    registry.register("python", papermill_translators.find_translator("", "python"))
    register(registry)

    assert registry.find_translator("octave", "octave").codify({"a": "b"}) == "# Parameters\na = 'b';\n"
    assert registry.find_translator("sos", "sos").codify({"a": 1}).split() == ["#", "Parameters", "a", "=", "1"]


def test_the_documentation_has_the_literals_of_every_language() -> None:
    text = (Path(__file__).parents[2] / "docs" / "runner.md").read_text(encoding="utf-8")

    for language, name in _NAMES.items():
        cells = " | ".join(_documented(language, *values) for values in _DOCUMENTED)
        row = f"| {name} | {cells} |"
        assert row in text, f"docs/runner.md needs the row:\n{row}"


_NAMES = {
    "octave": "Octave",
    "javascript": "JavaScript, TypeScript",
    "scheme": "Scheme",
    "lua": "Lua",
    "gnuplot": "gnuplot",
    "zsh": "zsh",
    "powershell": "PowerShell",
    "kotlin": "Kotlin",
    "java": "Java",
}
_DOCUMENTED = (("it's",), (True, None), (2**53 + 1,), (inf,), ([1, 2],), ({"k": 1},))


def _documented(language: str, *values: Any) -> str:
    try:
        return ", ".join(f"`{_literal(language, value)}`" for value in values)
    except NotImplementedError:
        return "refused"


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("R", r'"it\"s $x \\n \u00e9\u4e2d\U0001f600\u0007\n"'),
        ("julia", r'"it\"s \$x \\n \u00e9\u4e2d\U0001f600\u0007\n"'),
        ("scala", r'"it\"s $x \\n \u00e9\u4e2d\ud83d\ude00\u0007\n"'),
        (".net-csharp", r'"it\"s $x \\n \u00e9\u4e2d\U0001f600\u0007\n"'),
        ("matlab", '"it""s $x \\n é中😀" + char(7) + "" + char(10) + ""'),
    ],
)
def test_a_text_keeps_its_characters_where_papermill_changes_them(language: str, expected: str) -> None:
    translator = find_translator("", language)

    assert translator is not None
    assert translator.literal('it"s $x \\n é中😀\x07\n') == expected


def test_numbers_of_bash_have_no_exponent_which_bc_does_not_read() -> None:
    translator = find_translator("bash", "bash")
    values = {1e-05: "0.00001", -2.5e-07: "-0.00000025", 0.5: "0.5", 1e22: "10000000000000000000000", inf: "inf"}

    assert translator is not None
    assert [translator.literal(value) for value in (*values, [1e-05])] == [*values.values(), "(0.00001)"]


def test_bash_has_no_nested_arrays() -> None:
    translator = find_translator("bash", "bash")

    assert translator is not None
    assert translator.literal([1, "a b", None]) == "(1 'a b' '')"
    with pytest.raises(NotImplementedError, match="null character"):
        translator.literal("a\0b")
    with pytest.raises(NotImplementedError, match="holds no lists"):
        translator.literal([["a"]])
