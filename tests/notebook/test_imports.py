"""What a notebook imports, read without running it."""

from __future__ import annotations

import sys

import pytest

from generator.notebook.imports import Import, read_imports
from generator.notebook.notebook import Cell


def cells(*sources: str) -> list[Cell]:
    return [Cell(number=number, kind="code", source=source) for number, source in enumerate(sources, start=1)]


def words(source: str) -> str:
    """The modules of one cell as ``line:name``; those that a run may never get to have a question mark."""
    modules = read_imports(cells(source)).modules
    return " ".join(f"{one.line}:{one.module}{'' if one.certain else '?'}" for one in modules)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import a", "1:a"),
        ("import a, b.c; import d", "1:a 1:b 1:d"),
        ("import a.b as c", "1:a"),
        ("from a import b", "1:a"),
        ("from a.b.c import d as e", "1:a"),
        ("from a import (\n    b,\n    c,\n)\nimport d", "1:a 5:d"),
        ("    import a\n    import b", "1:a 2:b"),
        ("import a\r\nimport b", "1:a 2:b"),
        ("import größe", "1:größe"),
        ("await x\nimport a", "2:a"),
        ("n = 1", ""),
        ("", ""),
    ],
)
def test_every_way_to_import_is_read_by_its_top_level_name(source: str, found: str) -> None:
    assert words(source) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("importlib.import_module('a.b')", "1:a?"),
        ("x = [import_module('a')]", "1:a?"),
        ("try:\n    import_module('a')\nexcept ImportError:\n    pass", ""),
        ("def f():\n    return import_module('a')", "2:a?"),
        ("importlib.import_module(name)", ""),
        ("importlib.import_module('.a', package)", ""),
    ],
)
def test_a_module_asked_for_by_its_name_is_never_certain(source: str, found: str) -> None:
    assert words(source) == found


@pytest.mark.parametrize("line", ["pip install b", "conda install b", "!pip install b", "%pip install b"])
def test_a_cell_that_installs_is_read_all_the_same(line: str) -> None:
    assert words(f"{line}\nimport a") == "2:a"


@pytest.mark.parametrize(
    ("source", "name"),
    [("import a.b.c", "a.b.c"), ("from a.b import c, d", "a.b.c"), ("from a.b import *", "a.b"), ("import a", "a")],
)
def test_the_whole_name_is_kept_for_the_distribution_that_it_belongs_to(source: str, name: str) -> None:
    assert [one.name for one in read_imports(cells(source)).modules] == [name]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the syntax is Python 3.11's")
def test_a_group_of_exceptions_guards_as_well() -> None:
    assert words("try:\n    import a\nexcept* ImportError:\n    import b") == ""


@pytest.mark.parametrize(
    "source",
    [
        "from . import a",
        "from .a import b",
        "from .. import c",
        "from __future__ import annotations",
        "import __main__",
        "text = 'import a'",
        "# import a",
        "__import__('a')",
    ],
)
def test_what_names_no_module_to_declare_is_passed_over(source: str) -> None:
    assert words(source) == ""


@pytest.mark.parametrize(
    "source",
    ["import a\nx = = 1", "import a\0", "import a\nx = '\ud800'", "import a\n<<<<<<< HEAD", "class", "import a\n("],
)
def test_a_cell_that_cannot_be_parsed_says_nothing(source: str) -> None:
    assert words(source) == ""


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("%matplotlib inline\nimport a", "2:a"),
        ("files = !ls\nimport a", "2:a"),
        ("import a\na?\n?a\nimport b", "1:a 4:b"),
        ("!ls \\\n  -l\nimport a", "3:a"),
        ("%%time\nimport a", "2:a"),
        ("%%timeit -n 1\n%matplotlib inline\nimport a", "3:a"),
        ("\n\n%%capture said\nimport a", "4:a"),
        ("%%prun\nimport a", "2:a"),
        ("%%bash\nimport a", ""),
        ("%%html\nimport a", ""),
        ("%%writefile a.py\nimport b", ""),
        ("%%script python3\nimport a", ""),
    ],
)
def test_magics_are_read_over_and_cells_of_other_programs_left_out(source: str, found: str) -> None:
    assert words(source) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("with x:\n    import a", "2:a"),
        ("async with x:\n    import a", "2:a"),
        ("try:\n    import a\nfinally:\n    import b", "2:a 4:b"),
        ("try:\n    import a\nexcept ValueError:\n    import b\nelse:\n    import c", "2:a 4:b? 6:c"),
        ("if n:\n    import a\nelif m:\n    import b\nelse:\n    import c", "2:a? 4:b? 6:c?"),
        ("for x in y:\n    import a\nelse:\n    import b", "2:a? 4:b?"),
        ("while x:\n    import a", "2:a?"),
        ("def f():\n    import a", "2:a?"),
        ("async def f():\n    import a", "2:a?"),
        ("class C:\n    import a", "2:a?"),
        ("match x:\n    case 1:\n        import a\n    case _:\n        import b", "3:a? 5:b?"),
        ("with x:\n    if y:\n        with z:\n            import a", "4:a?"),
        ("if n:\n\timport a\nimport a", "3:a"),
        ("import a\nif n:\n    import a", "1:a"),
    ],
)
def test_an_import_is_certain_where_nothing_keeps_a_run_from_it(source: str, found: str) -> None:
    assert words(source) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("try:\n    import a\nexcept ImportError:\n    import b", ""),
        ("try:\n    import a\nexcept ModuleNotFoundError as error:\n    pass", ""),
        ("try:\n    import a\nexcept (OSError, ImportError):\n    pass", ""),
        ("try:\n    import a\nexcept Exception:\n    pass", ""),
        ("try:\n    import a\nexcept:\n    pass", ""),
        ("try:\n    import a\nexcept ValueError:\n    pass\nexcept ImportError:\n    pass", ""),
        ("try:\n    x\nexcept ImportError:\n    pass\nelse:\n    import a\nfinally:\n    import b", "8:b"),
        ("def f():\n    try:\n        import a\n    except ImportError:\n        import b", ""),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", "4:b?"),
        ("with suppress(KeyError):\n    import a", "2:a"),
        ("import typing\nif typing.TYPE_CHECKING:\n    import a", "1:typing"),
    ],
)
def test_a_notebook_that_looks_after_itself_is_left_alone(source: str, found: str) -> None:
    assert words(source) == found


@pytest.mark.parametrize(
    "source",
    [
        "from contextlib import suppress\nwith suppress(ImportError):\n    import a",
        "import contextlib\nwith contextlib.suppress(ModuleNotFoundError):\n    import a",
    ],
)
def test_suppress_guards_as_try_does(source: str) -> None:
    assert words(source) == "1:contextlib"


@pytest.mark.parametrize(
    ("magic", "found"),
    [
        ("%%writefile helper.py", "a"),
        ("%%writefile -a helper.py", "a"),
        ("%%file src/helper.py", "a"),
        ("%%writefile helper/inner.py", "a"),
        ("%%writefile helper.txt", "a helper"),
    ],
)
def test_a_module_that_a_cell_writes_is_not_missed(magic: str, found: str) -> None:
    imports = read_imports(cells(f"{magic}\nx = 1", "import a, helper"))

    assert " ".join(one.module for one in imports.modules) == found


@pytest.mark.parametrize(
    ("line", "certain"),
    [
        ("!wget -q https://example.org/files/helper.py", "a"),
        ("!cp other.py helper.py", "a"),
        ("open('helper.py', 'w').write('x = 1')", "a"),
        ("Path('helper.py').write_text(text)", "a"),
        ("urlretrieve(address, 'lib/helper.py')", "a"),
        ("shutil.copyfile('../lib/helper.py', 'helper.py')", "a"),
        ("print('helper.py')", "a helper"),
        ("# open('helper.py')", "a helper"),
        ("open('helper.pyc')", "a helper"),
    ],
)
def test_a_module_that_a_line_may_write_is_not_certain_to_be_missing(line: str, certain: str) -> None:
    imports = read_imports(cells(line, "import a, helper"))

    assert " ".join(one.module for one in imports.modules if one.certain) == certain
    assert [one.module for one in imports.modules] == ["a", "helper"]


def test_cells_are_counted_as_people_count_them() -> None:
    text = Cell(number=2, kind="markdown", source="import z")
    code = cells("import b", "", "import a\nimport b")

    imports = read_imports([code[0], text, code[2]])

    assert imports.modules == (
        Import(module="b", cell=1, line=1, certain=True),
        Import(module="a", cell=3, line=1, certain=True),
    )


def test_of_several_imports_of_a_module_the_first_certain_one_is_told() -> None:
    imports = read_imports(cells("def f():\n    import a", "import a", "import a"))

    assert imports.modules == (Import(module="a", cell=2, line=1, certain=True),)


@pytest.mark.parametrize(
    "line",
    [
        "%pip install a",
        "!pip install a",
        "  !pip3 install a",
        "!python -m pip install a",
        "!/opt/bin/python3.11 -m pip install a",
        "%conda install -y a",
        "!mamba install a",
        "!uv pip install a",
        "%%capture\n!pip install a",
        "!{sys.executable} -m pip install a",
        "!pip3.11 install a",
        "!pip -q install a",
        "%%bash\npip install a",
        "pip install a",
        "import os\nos.system('pip install a')",
        "subprocess.run([sys.executable, '-m', 'pip', 'install', 'a'])",
        "if n:\n    %pip install a",
    ],
)
def test_cells_that_install_packages_are_known(line: str) -> None:
    assert read_imports(cells("n = 1", line)).installs == (2,)


@pytest.mark.parametrize(
    "line",
    [
        "!pip list",
        "# !pip install a",
        "!pip uninstall a",
        "print('pip install a')",
        "%%html\npip install a",
        "run('a -m pip install a')",
    ],
)
def test_cells_that_install_nothing_are_not_taken_for_it(line: str) -> None:
    assert read_imports(cells(line)).installs == ()


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import sys\nsys.path.append('src')", 2),
        ("sys.path.insert(0, '..')", 1),
        ("sys.path += ['src']", 1),
        ("import site\nsite.addsitedir('src')", 2),
        ("n = 1\n  !pip install a", 2),
        ("import os.path", None),
        ("my_sys.path", None),
        ("sys.pathname", None),
    ],
)
def test_from_the_first_line_that_installs_or_changes_the_path_other_modules_may_be_found(
    source: str, line: int | None
) -> None:
    imports = read_imports(cells("n = 1", source))

    assert imports.searches_elsewhere == ((2, line) if line else None)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import os\nos.environ['A'] = 'b'", 2),
        ("os.environ.setdefault('A', 'b')", 1),
        ("%env A=b", 1),
        ("n = 1\n%cd ..", 2),
        ("%run set_up.ipynb", 1),
        ("sys.modules['a'] = b", 1),
        ("import numpy as np\n\nnp.float = float", 3),
        ("sys.path.append('src')", 1),
        ("load_dotenv()", 1),
        ("os.environ['A'] == 'b'", None),
        ("key = os.environ['A']", None),
        ("a.b(c=1)", None),
        ("self.x = 1", None),
    ],
)
def test_and_from_the_first_that_imports_may_depend_on_their_failure_may_be_the_check_s(
    source: str, line: int | None
) -> None:
    assert read_imports(cells(source)).prepares == ((1, line) if line else None)


def test_every_statement_that_a_run_is_certain_to_execute_is_kept_once() -> None:
    imports = read_imports(
        cells(
            "import a, b.c as d\nfrom e.f import (\n    g,\n    h as i,\n)",
            "import a\nfrom j import *\ndef f():\n    import k",
            "try:\n    import m\nexcept ImportError:\n    import n",
        )
    )

    assert [(one.cell, one.line, one.statement) for one in imports.statements] == [
        (1, 1, "import a"),
        (1, 1, "import b.c as d"),
        (1, 2, "from e.f import g, h as i"),
        (2, 2, "from j import *"),
    ]


def test_a_cell_that_is_skipped_imports_nothing_and_one_that_may_fail_nothing_certain() -> None:
    skipped = Cell(number=1, kind="code", source="import a", tags=("skip-execution",))
    failing = Cell(number=2, kind="code", source="import b", tags=("raises-exception",))

    assert read_imports([skipped, failing]).modules == (Import(module="b", cell=2, line=1, certain=False),)
