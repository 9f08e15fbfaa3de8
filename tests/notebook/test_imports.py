"""What a notebook imports, read without running it; and what its kernel, asked for real, does not have of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import write_notebook

from generator.notebook.imports import Import, Imports, modules_below, read_imports
from generator.notebook.notebook import Cell
from generator.runner.check.modules import report_missing_modules
from generator.shared.failures import ModuleMissingError


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
    ("source", "elsewhere"),
    [
        ("import sys\nsys.path.append('src')", True),
        ("sys.path.insert(0, '..')", True),
        ("sys.path += ['src']", True),
        ("import site\nsite.addsitedir('src')", True),
        ("import os.path", False),
        ("my_sys.path", False),
        ("sys.pathname", False),
    ],
)
def test_a_cell_may_change_where_python_looks(source: str, elsewhere: bool) -> None:
    assert read_imports(cells(source)).searches_elsewhere is elsewhere


def test_modules_of_a_repository_are_files_and_every_folder_above_one(tmp_path: Path) -> None:
    """A folder without ``__init__.py`` is a package too (PEP 420), and so is what a compiler made a module."""
    library = "lib/inner/fast.cpython-312-x86_64-linux-gnu.so"
    for path in ("beside.py", "src/trees/__init__.py", library, ".venv/hidden.py", "data/table.csv", "lib/.x.py"):
        (tmp_path / "top" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "top" / path).touch()

    assert modules_below(tmp_path / "top") == {"top", "beside", "src", "trees", "__init__", "lib", "inner", "fast"}


def test_a_repository_without_modules_has_none(tmp_path: Path) -> None:
    assert modules_below(tmp_path) == set()


def importing(*modules: Import, **more: bool | tuple[int, ...]) -> Imports:
    return Imports(modules=modules, **more)  # type: ignore[arg-type]


_CERTAIN = Import(module="skimage", cell=2, line=3, certain=True)
_OTHER = Import(module="seldom", cell=4, line=1, certain=False)


def test_what_a_run_is_certain_to_need_is_refused_with_what_to_declare() -> None:
    twice = Import(module="yaml", cell=5, line=1, certain=True)

    with pytest.raises(ModuleMissingError) as refused:
        report_missing_modules([_CERTAIN, _OTHER, twice], importing(_CERTAIN, _OTHER, twice), "process.ipynb")

    assert str(refused.value) == (
        "process.ipynb imports what the image does not have:\n"
        "  cell 2 line 3: skimage\n"
        "  cell 5 line 1: yaml\n"
        "declare them, for example in requirements.txt: scikit-image PyYAML"
    )
    assert (refused.value.exit_code, refused.value.reason) == (13, "module-missing")


def test_two_modules_of_one_distribution_are_declared_once() -> None:
    both = [Import(module=name, cell=1, line=1, certain=True) for name in ("pylab", "mpl_toolkits")]

    with pytest.raises(ModuleMissingError, match=r"requirements\.txt: matplotlib$"):
        report_missing_modules(both, importing(*both), "process.ipynb")


@pytest.mark.parametrize("more", [{"searches_elsewhere": True}, {"installs": (1,)}], ids=["path", "install"])
def test_where_a_notebook_may_get_it_elsewhere_there_is_a_warning(more: dict[str, bool | tuple[int, ...]]) -> None:
    warnings = report_missing_modules([_CERTAIN], importing(_CERTAIN, **more), "process.ipynb")

    assert warnings[0] == "process.ipynb cell 2 line 3 imports skimage, which the image does not have"


def test_what_a_run_may_never_need_is_a_warning() -> None:
    assert report_missing_modules([_OTHER], importing(_CERTAIN, _OTHER), "process.ipynb") == [
        "process.ipynb cell 4 line 1 imports seldom, which the image does not have"
    ]


def test_a_cell_that_installs_is_told_even_when_nothing_is_missing() -> None:
    assert report_missing_modules([], importing(installs=(1, 3)), "a/b.ipynb") == [
        f"a/b.ipynb cell {number} installs packages when it runs, without a network: declare them in the environment"
        for number in (1, 3)
    ]


def test_a_module_in_a_namespace_is_declared_by_its_whole_name() -> None:
    imports = read_imports(cells("from google.cloud import storage"))

    with pytest.raises(ModuleMissingError, match=r"requirements\.txt: google-cloud-storage$"):
        report_missing_modules(imports.modules, imports, "process.ipynb")


def test_a_module_that_python_has_no_more_is_not_to_be_declared() -> None:
    imp = Import(module="imp", cell=3, line=1, certain=True)

    with pytest.raises(ModuleMissingError) as refused:
        report_missing_modules([imp], importing(imp), "process.ipynb")

    assert str(refused.value) == (
        "process.ipynb imports what the image does not have:\n"
        "  cell 3 line 1: imp\n"
        "imp left Python with 3.12: do without it, or name an earlier Python in runtime.txt"
    )


def test_a_kernel_that_does_not_say_is_told() -> None:
    assert report_missing_modules(None, importing(_CERTAIN), "process.ipynb") == [
        "process.ipynb: the kernel did not say which modules it finds, so its imports are not checked"
    ]


def test_nothing_missing_nothing_said() -> None:
    assert report_missing_modules([], importing(_CERTAIN, _OTHER), "process.ipynb") == []


def check(repository: Path, *sources: str, kernel: str = "python3") -> subprocess.CompletedProcess[str]:
    """``packmill-runner check`` of a notebook in a folder of the repository, by a kernel of this Python."""
    write_notebook(repository / "notebooks/process.ipynb", "n = 1", *sources, kernel=kernel)
    command = [sys.executable, "-m", "generator.runner", "check", "--process", "notebooks/process.ipynb"]
    return subprocess.run(
        [*command, "--repository", str(repository)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.slow
def test_a_kernel_is_asked_for_what_the_notebook_imports(tmp_path: Path) -> None:
    """What it has, what it finds from the notebook's folder, and what the repository has anywhere, is not missing."""
    for path in ("notebooks/beside.py", "notebooks/space/inner/deep.py", "tools/trees/heights.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("raise SystemExit('imported')")

    done = check(
        tmp_path,
        "import json, nbformat, IPython, beside, heights, trees, space.inner",
        "def f():\n    import no_such_one",
    )

    assert done.returncode == 0, done.stderr
    said = "notebooks/process.ipynb cell 3 line 2 imports no_such_one, which the image does not have"
    assert json.loads(done.stdout)["warnings"] == [said]


@pytest.mark.slow
def test_and_what_it_cannot_do_without_ends_the_check(tmp_path: Path) -> None:
    done = check(tmp_path, "import json\nimport no_such_one", "from no_such_other.x import y")

    assert (done.returncode, done.stdout) == (13, "")
    assert done.stderr == (
        "packmill-runner: notebooks/process.ipynb imports what the image does not have:\n"
        "  cell 2 line 2: no_such_one\n"
        "  cell 3 line 1: no_such_other\n"
        "declare them, for example in requirements.txt: no_such_one no_such_other\n"
    )


@pytest.mark.slow
def test_a_kernel_that_prints_nothing_ends_no_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silence = "--IPKernelApp.exec_lines=import builtins; builtins.print = lambda *_, **__: None"
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", silence]
    (tmp_path / "jupyter/kernels/silent").mkdir(parents=True)
    specification = {"argv": argv, "language": "python", "display_name": "silent"}
    (tmp_path / "jupyter/kernels/silent/kernel.json").write_text(json.dumps(specification))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))

    done = check(tmp_path / "repository", "import no_such_one", kernel="silent")

    assert done.returncode == 0, done.stderr
    said = "the kernel did not say which modules it finds, so its imports are not checked"
    assert json.loads(done.stdout)["warnings"] == [f"notebooks/process.ipynb: {said}"]
