"""Cells that are long, deep, or full of parameters are read in time, or refused with the limit."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from document_context import context_of
from notebook_texts import write_repository
from support import notebook

from generator.build.inspect import describe, table
from generator.documents.package import package
from generator.environment.requested import _read
from generator.notebook import tag_advice
from generator.notebook.interface_reading import read_interface
from generator.notebook.kernel_names import language_of_kernel
from generator.notebook.languages import reader_of
from generator.notebook.notebook import LONGEST_READ_CELL, read_notebook
from generator.notebook.parameters import Missing, Reading
from generator.notebook.text_formats import as_notebook
from generator.notebook.text_formats.knitr_params import Param
from generator.process.process import read_process
from generator.repository import checkout
from generator.shared.errors import EnvironmentSpecError, NotebookError, ParametersError, ProcessError

_SECONDS = 30
"""Many times what the slowest of these takes; what grows with the square of the size takes longer."""


def test_a_notebook_of_gigabytes_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a repository it takes kilobytes."""
    monkeypatch.setattr(checkout, "_LARGEST_FILE", 2 << 20)
    for name in ("process.ipynb", "process.sh", "requirements.yml"):
        (tmp_path / name).write_bytes(b" " * (2 << 20) + b"1")

    for name in ("process.ipynb", "process.sh"):
        with pytest.raises(ProcessError, match=f"{name}: larger than 2 MiB, and not read"):
            read_process(tmp_path, name)
    with pytest.raises(EnvironmentSpecError, match=r"requirements\.yml: larger than 2 MiB"):
        _read("requirements.yml", tmp_path)


_LONG = f"0x{'f' * 4_000}"


@pytest.mark.parametrize(
    "cell",
    [
        f"x = {_LONG}",
        f"x = [-{_LONG}]",
        f"x = {_LONG}  # type: long",
        f"x = {{'type': 'Point', 'coordinates': [1, {_LONG}]}}  # type: geojson",
        f"x: Literal[1, {_LONG}] = 1",
        f"x: Annotated[int, Field(ge={_LONG})] = 1",
        f"x = 1 #@param [1, {_LONG}]",
        f"x = {_LONG} #@param [1, 2]",
        f"x: CWLIntInput[{_LONG}] = 1",
        f"x: Literal['{'9' * 5_000}', 2] = 2",
        f"x: 'Literal[1, {'9' * 5_000}]' = 1",
    ],
)
def test_a_number_of_more_digits_than_python_writes_is_computed_or_ignored(cell: str) -> None:
    """Only bases other than ten and texts can write one, and each document with it would end with a traceback."""
    context = context_of(cell)

    assert [one.name for one in context.process.interface.inputs] == ["x"]
    assert package(context, environment=(), image_digest=None, tools={})


def test_a_choice_of_more_digits_than_python_reads_is_a_mistake() -> None:
    with pytest.raises(ParametersError, match=r"'Literal\[9{20}\.\.\.' is not a type"):
        context_of(f"x = 1  # type: Literal[{'9' * 5_000}]")


def test_a_choice_with_half_a_surrogate_pair_is_a_mistake() -> None:
    """No document could have it, which the build would find after its image."""
    with pytest.raises(ParametersError, match=r"is not a type"):
        context_of("x = 'a'  # type: Literal['\\ud800', 'a']")


def _lines(form: str) -> str:
    return "".join(f"{form.format(number)}\n" for number in range(LONGEST_READ_CELL // (len(form) + 4)))


def _filled(begin: str, item: str, end: str = "") -> str:
    return begin + item * ((LONGEST_READ_CELL - len(begin) - len(end)) // len(item)) + end


def test_a_long_name_does_not_widen_the_rows_of_all_others(tmp_path: Path) -> None:
    cell = "\n".join([f"{'b' * 10_000} = 1", *(f"a{number} = 1" for number in range(1000))])

    shown = table(describe(read_process(tmp_path, _written(tmp_path, cell, "python")), ()))

    assert "b" * 10_000 in shown
    assert len(shown) < 200_000


@pytest.mark.parametrize(
    ("language", "cell"),
    [
        pytest.param("python", _lines("x{0} = 1"), id="python-parameters"),
        pytest.param("python", _filled("x = [", "1,", "]"), id="python-list"),
        pytest.param("python", _filled("x = '", "y", "'"), id="python-text"),
        pytest.param("python", _filled("x = 1  # type: int ", "[1..2] "), id="python-hint"),
        pytest.param("R", _lines("x{0} <- 1"), id="r-parameters"),
        pytest.param("R", _filled("x <- c(", "1,", "2)"), id="r-vector"),
        pytest.param("bash", _lines("x{0}=1"), id="bash-parameters"),
        pytest.param("zsh", _filled("x=(", "a ", ")"), id="zsh-array"),
        pytest.param("julia", _filled('x = "', '\\"', '"'), id="julia-text"),
        pytest.param("octave", _filled("x = [", "1 ", "]"), id="octave-matrix"),
        pytest.param("javascript", _lines("let x{0} = 1"), id="javascript-parameters"),
        pytest.param("lua", _filled("x = {{", "1,", "}}"), id="lua-table"),
        pytest.param("PowerShell", _lines("$x{0} = 1"), id="powershell-parameters"),
    ],
)
def test_a_cell_of_the_largest_size_is_read(language: str, cell: str, tmp_path: Path) -> None:
    begin = time.process_time()
    process = read_process(tmp_path, _written(tmp_path, cell, language))

    assert table(describe(process, ()))
    assert time.process_time() - begin < _SECONDS


@pytest.mark.parametrize(
    ("language", "cell"),
    [
        ("python", "x = " + "[" * 5000 + "]" * 5000),
        ("R", "x <- " + "c(" * 5000 + ")" * 5000),
        ("julia", "x = " + "[" * 5000 + "]" * 5000),
        ("javascript", "const x = " + "[" * 5000 + "]" * 5000),
        ("bash", "x=" + "$(" * 5000 + ")" * 5000),
        ("lua", "x = " + "{" * 5000 + "}" * 5000),
        ("scheme", "(define x '" + "(" * 5000 + ")" * 5000 + ")"),
    ],
    ids=["python", "r", "julia", "javascript", "bash", "lua", "scheme"],
)
def test_a_deep_value_is_computed_or_a_mistake(language: str, cell: str, tmp_path: Path) -> None:
    name = _written(tmp_path, cell, language)
    if language == "python":  # its own parser has a limit
        with pytest.raises(ParametersError, match=r"\[…\n"):
            read_process(tmp_path, name)
    else:
        assert read_process(tmp_path, name).interface.input("x").default is Missing.COMPUTED


_OPEN_CHANGES = [(one, "") for one in (" ", "a", "a.", "a:", "a[", "a[b[c]", "$a(", "a, ", "(", "= ", "a{ ")] + [
    ("a[", "]" * 1000)
]
_TARGETS = "".join(f"a{number}=" for number in range(10_000))
_NAMES = [f"b{number}" for number in range(200)]


@pytest.mark.parametrize(
    ("language", "cell"),
    [
        pytest.param("python", _lines("x = 1\n%magic {0}"), id="python-magics-between-statements"),
        pytest.param("python", _lines("x{0} = f()"), id="python-computed-values"),
        pytest.param("python", _filled(_TARGETS + "[", "1,", "]"), id="python-targets-of-one-value"),
        pytest.param("python", _filled(_TARGETS + "[", "\n", "]"), id="python-targets-of-many-lines"),
        pytest.param("python", _filled("x = 1  # type: int[", "."), id="python-range"),
        pytest.param("python", _filled("x = 1  # type: int[1..", " ", "1]"), id="python-step"),
        pytest.param("python", _filled("x = 1  # type: Annotated[int, '", "\\'"), id="python-open-quotes"),
        pytest.param("bash", _filled("x=(", "\n"), id="bash-open-bracket"),
        pytest.param("bash", _filled("x=", "(`'"), id="bash-open-marks"),
        pytest.param("bash", _filled('x="', "\\$'", '"'), id="bash-escapes"),
        pytest.param("bash", _filled("echo ", "a[ "), id="bash-open-indexes"),
        pytest.param("bash", _filled("if ", "! a=b "), id="bash-words-before-commands"),
        pytest.param("bash", _filled("echo ", "{a="), id="bash-open-assignments"),
        pytest.param("bash", _filled("echo ", "&& read x "), id="bash-commands"),
        pytest.param("bash", _filled("read ", "a[<"), id="bash-arguments"),
        pytest.param("javascript", _filled("let a = 1", "\n, b = 2"), id="javascript-commas"),
        pytest.param("octave", _filled("x = ", "y = ", "1"), id="octave-chain"),
        pytest.param("octave", _filled("[", "a(1).b{2}, ", "+"), id="octave-targets"),
        pytest.param("octave", _filled("[", "~ a("), id="octave-open-targets"),
        pytest.param("R", _filled("y ", "(a)["), id="r-open-indexes-of-calls"),
        pytest.param("javascript", _filled("y ", 'a[""]?'), id="javascript-open-calls"),
        *(
            pytest.param(language, _filled("y ", item, end), id=f"{language}-changes-{number}")
            for language in ("R", "javascript", "PowerShell")
            for number, (item, end) in enumerate(_OPEN_CHANGES)
        ),
        pytest.param("javascript", _filled("x = 1", "\n+ 1"), id="javascript-value-of-many-lines"),
        pytest.param("lua", _filled("x = 1 ", "--[=[ \n"), id="lua-open-comments"),
        pytest.param("lua", _filled("x = ", "[=[ ]"), id="lua-open-long-strings"),
        pytest.param("PowerShell", _filled("$x = ", "@'\n"), id="powershell-open-here-strings"),
        pytest.param("R", _filled("", '"""a"\\'), id="r-open-strings"),
        pytest.param("julia", _filled("", '"""a"\\'), id="julia-open-strings"),
        pytest.param("javascript", _filled('"\\\n', '\\"\\\n'), id="javascript-open-strings"),
        pytest.param("lua", _filled('"\\\n', '\\"\\\n'), id="lua-open-strings"),
    ],
)
def test_no_form_of_a_cell_takes_time_with_the_square_of_its_size(language: str, cell: str) -> None:
    read, begin = reader_of(language), time.process_time()

    assert read is not None
    read(cell)
    assert time.process_time() - begin < _SECONDS / 3


@pytest.mark.parametrize("names", [_NAMES, ["b" * 2_000]], ids=["many", "long"])
def test_remarks_do_not_grow_with_the_square_of_a_cell(names: list[str]) -> None:
    targets = "".join(f"a{number}=" for number in range(20))
    read = reader_of("python")

    assert read is not None
    remarks = read(f"{'=1;'.join(names)}=1\n{targets}f({','.join(names)})").remarks
    assert len(remarks) == 20
    assert max(len(remark.message) for remark in remarks) < 250


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param("=".join(_NAMES) + f" = [{'1, ' * 2_000}]", id="targets"),
        pytest.param(",".join(_NAMES) + f" = f()  # {'a description' * 500}", id="a tuple"),
        pytest.param(f"if True:\n    {','.join(_NAMES)} = f()  # {'a description' * 500}", id="a block"),
    ],
)
def test_a_long_value_or_description_is_not_that_of_very_many_inputs(cell: str) -> None:
    read = reader_of("python")

    assert read is not None
    (mistake,) = read(cell).mistakes
    assert mistake.message.startswith("200 names are assigned at once in ")
    assert len(read(cell.replace("1, " * 2_000, "1").replace("a description" * 500, "text")).parameters) == 200


def test_a_line_is_not_repeated_whole_with_each_of_its_mistakes() -> None:
    cell = ";".join(f"{name}: int = 'x'" for name in _NAMES)

    with pytest.raises(ParametersError) as refusal:
        context_of(cell)

    mistakes = refusal.value.to_dict()["mistakes"]
    assert {one["text"] for one in mistakes} == {f"{cell[:200]}…"}


def test_a_remark_names_the_first_parameters_of_a_computed_value() -> None:
    read = reader_of("python")

    assert read is not None
    assert [one.message for one in read("a=b=c=d=e=f=g=1\nx = f(g, f, e, d, c, b, a)").remarks] == [
        "x is computed from a, b, c, d, e and 2 more in the cell: setting a does not change x"
    ]


@pytest.mark.parametrize(("tags", "form"), [((), "x{0}=1 #@param"), (("pipeline-parameters",), "x{0}=1")])
def test_a_cell_of_the_largest_size_is_read_in_a_dialect(tags: tuple[str, ...], form: str) -> None:
    read, begin = (
        read_notebook(json.dumps(notebook(_lines(form), tags=tags)).encode(), "trees.ipynb"),
        time.process_time(),
    )

    assert len(read_interface(read).inputs) > 5000
    assert time.process_time() - begin < _SECONDS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("trees.py", "#!coding\n" * 5000 + "# %%\nx = 1\n"),
        ("trees.Rmd", "```{r}\n" + "\n" * LONGEST_READ_CELL + "x <- 1\n```\n"),
        ("trees.Rmd", "```{r}\n```\n```" + " " * LONGEST_READ_CELL + "`\n"),
        ("trees.Rmd", "```{r}\n```\n" + "~" * LONGEST_READ_CELL + "`\n"),
        ("trees.Rmd", "```{r}\n```\n```{r" + " " * LONGEST_READ_CELL + "x\n```\n"),
    ],
)
def test_a_text_notebook_is_recognized_and_split_in_time(name: str, text: str) -> None:
    begin = time.process_time()

    assert b'"cells"' in as_notebook(text.encode(), name)
    assert time.process_time() - begin < _SECONDS


_HEADER = "---\njupyter: {}\n---\n"


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("trees.py", "# %%\n" * 10_001, "of 10001 lines; at most 10000 are read"),
        ("trees.py", "# %%\n" + "\f" * 10_000, "of 10001 lines"),
        ("trees.md", _HEADER + "\na\n" * 5000, "of 10003 lines"),
        ("trees.md", _HEADER + "```python " + "a=" * 2000 + "\n```\n", "trees.md:4: the line that begins"),
        ("trees.py", "# %% " + "a=" * 2000, "has 4005 characters; at most 4000"),
    ],
)
def test_a_text_notebook_beyond_what_jupytext_reads_in_time_is_refused(name: str, text: str, what: str) -> None:
    begin = time.process_time()

    with pytest.raises(NotebookError, match=re.escape(what)):
        as_notebook(text.encode(), name)
    assert time.process_time() - begin < _SECONDS / 3


def test_no_parameter_of_r_markdown_is_compared_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header has room for thousands of them."""

    def refuse(one: Param, other: object) -> bool:
        raise AssertionError(f"{one} is compared with {other}")

    text = "---\nparams:\n  a: 1\n  b-c: 1\n  d: 2\n---\n```{r}\na\n```\n"
    read = read_notebook(as_notebook(text.encode(), "trees.Rmd"), "trees.Rmd")
    monkeypatch.setattr(Param, "__eq__", refuse)

    assert [one.name for one in read_interface(read).inputs] == ["a", "d"]


def test_the_name_of_a_kernel_is_read_in_time() -> None:
    begin = time.process_time()

    assert language_of_kernel("conda-" + "-py" * LONGEST_READ_CELL + "\n") == "python", "by its first characters"
    assert time.process_time() - begin < _SECONDS


def test_a_longer_parameters_cell_is_refused_with_the_limit(tmp_path: Path) -> None:
    with pytest.raises(ParametersError, match=r"the cell has 200,002 characters, and the most is 200,000; put large"):
        read_process(tmp_path, _written(tmp_path, "#" * (LONGEST_READ_CELL + 2), "python"))


def test_a_longer_cell_elsewhere_is_not_parsed(tmp_path: Path) -> None:
    data = json.dumps(notebook("x = 1", "y = [" + "1," * 2_500_000 + "]")).encode()
    begin = time.process_time()
    process = read_process(tmp_path, write_repository(tmp_path, data))

    assert [one.name for one in process.interface.inputs] == ["x"]
    assert time.process_time() - begin < _SECONDS


def test_without_a_parameters_cell_no_longer_cell_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Advice names the cell that looks like parameters."""
    lengths = []
    monkeypatch.setattr(tag_advice, "reader_of", lambda _: lambda text: lengths.append(len(text)) or Reading())
    long = "#" * (LONGEST_READ_CELL + 1)
    read_interface(read_notebook(json.dumps(notebook(long, "x = 1", tags=())).encode(), "trees.ipynb"))

    assert lengths == [5]


def _written(folder: Path, cell: str, language: str) -> str:
    return write_repository(folder, json.dumps(notebook(cell, language=language)).encode())
