"""Hypothesis strategies for parameters cells and notebooks that nobody would write, made from those that people wrote.

Cells are joined from lines of the cases, of fragments that mean something to a reader, and of any characters. Notebooks
are valid ones in which some values have another type or another content.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from support import here, notebook

_ENDINGS = {
    ".py": "python",
    ".R": "R",
    ".jl": "julia",
    ".sh": "bash",
    ".zsh": "zsh",
    ".m": "octave",
    ".js": "javascript",
    ".ts": "typescript",
    ".scm": "scheme",
    ".lua": "lua",
    ".gp": "gnuplot",
    ".ps1": "PowerShell",
    ".sos": "sos",
}
languages = tuple(_ENDINGS.values())
_HINTS = (
    "int",
    "integer[]",
    "float?",
    "double[1..2] m/s",
    "string",
    "string[]?",
    "bool",
    "any",
    "file",
    "directory[]",
    "secret",
    "stage-in",
    "stage_in[]",
    "stage-out",
    "date",
    "datetime[today-5d..today]",
    "bbox",
    "geojson",
    "int[..",
    "int]..[",
    "Literal['a']",
    "list[dict[str, int]]",
)
_FRAGMENTS = (
    *(f"x = 1  # type: {hint}" for hint in _HINTS),
    *(f"x: {hint} = None" for hint in ("int", "'int", "list[", "Optional[int]", "Annotated[int, 1:2]", "Path")),
    "x = '''",
    'x = """a',
    "x = [[[[[[",
    "x = {'a': {1: (2,)}}",
    "x = 10 ** 10 ** 10",
    "x = 'a' * 10 ** 10",
    f"x = {'9' * 5000}",
    "x = 1e999",
    "x = -0.0",
    "x = b'\\xff'",
    "x = f'{__import__(\"os\")}'",
    "x = __import__('os').getcwd()",
    "x = $(echo marker)",
    "x = '$(inputs.x)' + '${return 1}'",
    "x = '!!python/object/apply:os.getcwd []'",
    "x = '&a *a'",
    "x = '\\x1b[31m'  # \x1b]0;title\x07",
    "id = 1; class_ = 2; __id = 3",
    "inputs = 1; outputs = 2; self = 3; runtime = 4",
    "%%bash",
    "%run x.py",
    "!ls",
    "x <- c(1L, NA, 'a')",
    "x = [1 2; 3 4];",
    "const x: string[] = ['a'];",
    "let x = `a${b}`",
    "(define x '(1 . 2))",
    "local x <const> = {1, a = 2}",
    "array x[2] = [1, 'a']",
    "$x = @('a', @{b = 1})",
    "declare -a x=(a 'b c' $'d')",
    'x = 1  #@param {type:"slider", min:0, max:10}',
    "x = 1  #@param ['a', {",
    "x = 1 # http://odahub.io/ontology#Integer ; oda:lower_limit 1",
    "x: 'CWLFilePathInput' = 'a'",
    "x = os.environ.get('X', '1')",
    "parameter: x = 1 # help",
    "end",
    "}",
    "--[[",
    "/*",
    "<#",
    "=begin",
    "#=",
    "%{",
    "\\",
    "\f\v\x1c\x85\u2028 x = 1",
    "\ufeffx = 1",
    "x\u0000 = 1",
    "\ud800 = '\udfff'",
    "def f(x=1): return x",
    "class A: x = 1",
    "for x in []: y = 1",
    "import numpy as np; x = np.array([1])",
    "x = lambda: 1",
    "x, *y = 1, 2",
    "(x := 1)",
    "x += 1",
    "del x",
    "global x",
    "x.y = 1; x[0] = 1",
)


def cells_of_cases() -> Iterator[tuple[str, str]]:
    """Yield language and text of each case's parameters cell."""
    for cell in sorted(here.glob("cases/interface/*/cell.*")):
        yield _ENDINGS[cell.suffix], cell.read_text(encoding="utf-8")


_CORPUS = tuple(cells_of_cases())
_LINES = tuple(dict.fromkeys(line for _, text in _CORPUS for line in text.splitlines()))


@st.composite
def cells(draw: st.DrawFn) -> tuple[str, str]:
    """A language, and the text of a parameters cell."""
    language = draw(st.sampled_from(languages))
    lines = draw(st.lists(_line, max_size=8))
    text = draw(st.sampled_from(["\n", "\n", "\r\n", "\r", ";", " "])).join(lines)
    if draw(st.booleans()):
        language, known = draw(st.sampled_from(_CORPUS))
        text = _spliced(known, text, draw(st.floats(0, 1)), draw(st.floats(0, 1)))
    return language, text


_line = st.one_of(
    st.sampled_from(_LINES),
    st.sampled_from(_FRAGMENTS),
    st.builds(
        "{} {} {}  # type: {}".format,
        st.sampled_from(["x", "é", "class", "output_nb", "x-y", "x.y", "_"]),
        st.sampled_from(["=", "<-", ":=", "= =", ":"]),
        st.one_of(st.text(max_size=10), st.integers().map(str), st.floats().map(str), st.sampled_from(_LINES)),
        st.sampled_from(_HINTS),
    ),
    st.text(max_size=20),
)


def _spliced(known: str, text: str, begin: float, end: float) -> str:
    """Replace a span of a known cell."""
    first, last = sorted((int(begin * len(known)), int(end * len(known))))
    return known[:first] + text + known[last:]


_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
_VALUES = st.one_of(
    _SCALARS,
    st.builds(list),
    st.builds(dict),
    st.builds(lambda: [[]]),
    st.lists(st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
    st.sampled_from(["x" * 100_000, ["parameters"] * 1000, {"a": {"b": {"c": []}}}, 10**400, -1]).map(copy.deepcopy),
)


@st.composite
def notebooks(draw: st.DrawFn) -> bytes:
    """The bytes of a notebook; some of its values have another type or content, and some keys are missing or added."""
    language, text = draw(cells())
    document = copy.deepcopy(notebook(text, language=language))
    for _ in range(draw(st.integers(0, 3))):
        _change(draw, document)
    data = json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    return data if draw(st.integers(0, 9)) else data[: draw(st.integers(0, len(data)))]


def _change(draw: st.DrawFn, document: Any) -> None:
    """Change one place of the document."""
    places = list(_places(document))
    holder, key = draw(st.sampled_from(places))
    action = draw(st.sampled_from(["replace", "replace", "remove", "add", "repeat"]))
    if action == "remove":
        del holder[key]
    elif action == "replace":
        holder[key] = draw(_VALUES)
    elif isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]) if action == "repeat" else draw(_VALUES))
    else:
        holder[draw(st.sampled_from(["metadata", "tags", "language", "kernelspec", "attachments", "source", "id"]))] = (
            draw(_VALUES)
        )


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _places(item)


def write_repository(folder: Path, data: bytes, ending: str = ".ipynb") -> str:
    """Write a process into a repository's folder, and return its path there."""
    name = f"process{ending}"
    (folder / name).write_bytes(data)
    return name


@st.composite
def text_notebooks(draw: st.DrawFn) -> bytes:
    """The bytes of a text notebook in a format of jupytext, Quarto or R Markdown, or of nearly one."""
    header = draw(st.sampled_from(_HEADERS))
    parts = draw(st.lists(st.one_of(st.sampled_from(_MARKS), _line, cells().map(lambda cell: cell[1])), max_size=6))
    return (header + "\n".join(parts)).encode("utf-8", "surrogatepass")


_HEADERS = (
    "",
    "---\njupyter:\n  jupytext:\n    text_representation: {extension: .py, format_name: percent}\n---\n",
    "---\nkernelspec: {name: python3}\n---\n",
    "---\nparams:\n  x: 1\n  y: !r c(1, 2)\n---\n",
    "---\nparams:\n  x: {label: a, value: 1, input: slider, min: 0}\n---\n",
    "---\njupyter: python3\n---\n",
    "---\n[[[\n---\n",
    "---\na: &a [*a]\n---\n",
    "# ---\n# jupyter:\n#   kernelspec: {language: python, name: python3}\n# ---\n",
)
_MARKS = (
    '# %% tags=["parameters"]',
    "# %% [markdown]",
    "# +",
    '# + tags=["parameters"]',
    "# -",
    "```{python}\n#| tags: [parameters]",
    "```{r params}",
    "```{code-cell} python\n:tags: [parameters]",
    '```python tags=["parameters"]',
    "```",
    "import marimo",
    "~~~",
    "<!-- #region -->",
)


@functools.cache  # Hypothesis takes as long to examine a new strategy as to draw from it
def _yaml_values(words: tuple[str, ...]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.one_of(_SCALARS, st.sampled_from(words), st.sampled_from(_FRAGMENTS)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(words), inner, max_size=5)
        ),
        max_leaves=12,
    )


@st.composite
def yaml_texts(draw: st.DrawFn, words: tuple[str, ...]) -> bytes:
    """The bytes of YAML, or of nearly YAML, with these words as keys."""
    value = draw(_yaml_values(words))
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    return (
        draw(st.sampled_from(["{}", "{}", "{}", "a: {}", "- {}\n-", "!!set {}", "%YAML 1.1\n---\n{}", "{}{{"]))
        .format(text)
        .encode("utf-8", "surrogatepass")
    )


_ALGORITHM = (
    "algorithm_name algorithm_version algorithm_description run_command build_command disk_space queue ram_min "
    "cores_min outdir_max inputs outputs config file positional name type default doc label description required "
    "id env author contributor license citation code_repository keywords base_container_url"
).split()
_METADATA = (
    "cff-version title abstract authors family-names given-names orcid affiliation license version doi keywords "
    "date-released repository-code identifiers message preferred-citation name description author codeRepository "
    "@context @type softwareVersion dateCreated url project urls requires-python dynamic email file text"
).split()


def configurations() -> st.SearchStrategy[bytes]:
    """The bytes of an ``algorithm_config.yml``, or of nearly one."""
    return yaml_texts(tuple(_ALGORITHM))


def metadata_files() -> st.SearchStrategy[dict[str, bytes]]:
    """Files of a repository that state metadata, or nearly do."""
    return st.fixed_dictionaries(
        {},
        optional={
            "CITATION.cff": yaml_texts(tuple(_METADATA)),
            "codemeta.json": yaml_texts(tuple(_METADATA)),
            "pyproject.toml": st.one_of(yaml_texts(tuple(_METADATA)), st.sampled_from(_TOML)),
            "algorithm_config.yml": configurations(),
            "LICENSE": st.one_of(st.binary(max_size=100), st.just(b"MIT License\n" * 10)),
        },
    )


_TOML = (
    b'[project]\nname = "a"\nauthors = [{name = "A", email = "\\u001b[31m"}]\nlicense = {text = "x"}\n',
    b'[project]\nname = 1\nauthors = {}\nlicense = ["MIT"]\nkeywords = "a"\nversion = 1979-05-27\n',
    b"[project]\ndynamic = 3\nurls = [1]\n",
    b"[[project]]\n",
)
