"""``packmill-runner check``: imports that fail are reported before a run, looked up and executed by a real kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from forked_programs import RUNNER, run
from support import write_notebook

from generator.notebook.imports import Import, Imports, read_imports
from generator.notebook.notebook import Cell
from generator.runner.check import probe
from generator.runner.check.import_errors import read_failure
from generator.runner.check.modules import report_imports
from generator.runner.check.probe import ImportResults
from generator.shared.failures import ModuleMissingError


def importing(*modules: Import, **more: Any) -> Imports:
    return Imports(modules=modules, **more)


def error(kind: str, text: str, *above: str, name: str = "") -> dict[str, Any]:
    """An exception as ``packmill_imports.py`` reports it."""
    return {"kinds": [kind, *above], "text": text, "name": name, "errno": None}


def failing(source: str, *errors: dict[str, Any], local: tuple[str, ...] = ()) -> ImportResults:
    name = source.split()[1]
    one = Import(module=name.partition(".")[0], cell=2, line=1, certain=True, name=name, statement=source)
    return ImportResults(failures=((one, read_failure(errors)),), local=frozenset(local))


_CERTAIN = Import(module="skimage", cell=2, line=3, certain=True)
_OTHER = Import(module="seldom", cell=4, line=1, certain=False)


def test_what_a_run_is_certain_to_need_is_refused_with_what_to_declare() -> None:
    twice = Import(module="yaml", cell=5, line=1, certain=True)
    missing = ImportResults(missing=(_CERTAIN, _OTHER, twice))

    with pytest.raises(ModuleMissingError) as refused:
        report_imports(missing, importing(_CERTAIN, _OTHER, twice), "process.ipynb")

    assert str(refused.value) == (
        "process.ipynb imports what the image does not have:\n"
        "  cell 2 line 3: skimage\n"
        "  cell 5 line 1: yaml\n"
        "declare them, for example in requirements.txt: scikit-image PyYAML\n"
        "warning: process.ipynb cell 4 line 1 imports seldom, which the image does not have"
    )
    assert (refused.value.exit_code, refused.value.reason) == (13, "module-missing")


@pytest.mark.parametrize(
    ("file", "advice"),
    [
        ("binder/requirements.txt", "declare them in binder/requirements.txt: scikit-image"),
        ("environment.yml", "declare them in environment.yml: scikit-image"),
        ("pyproject.toml", "declare them in the dependencies in pyproject.toml: scikit-image"),
        ("uv.lock", "declare them with 'uv add scikit-image', which updates pyproject.toml and uv.lock"),
        ("Pipfile.lock", "declare them with 'pipenv install scikit-image', which updates Pipfile and Pipfile.lock"),
        ("pylock.toml", "declare them where pylock.toml is locked from, and lock again: scikit-image"),
        ("Dockerfile", "install them in Dockerfile: scikit-image"),
    ],
)
def test_the_advice_names_the_file_that_the_project_uses(file: str, advice: str) -> None:
    with pytest.raises(ModuleMissingError) as refused:
        report_imports(ImportResults(missing=(_CERTAIN,)), importing(_CERTAIN), "process.ipynb", file=file)

    assert str(refused.value).splitlines()[-1] == advice


def test_two_modules_of_one_distribution_are_declared_once() -> None:
    both = tuple(Import(module=name, cell=1, line=1, certain=True) for name in ("pylab", "mpl_toolkits"))

    with pytest.raises(ModuleMissingError, match=r"requirements\.txt: matplotlib$"):
        report_imports(ImportResults(missing=both), importing(*both), "process.ipynb")


@pytest.mark.parametrize("change", [(1, 1), (2, 3)])
def test_where_a_notebook_may_get_it_elsewhere_there_is_a_warning(change: tuple[int, int]) -> None:
    imports = importing(_CERTAIN, searches_elsewhere=change)

    assert report_imports(ImportResults(missing=(_CERTAIN,)), imports, "process.ipynb") == [
        "process.ipynb cell 2 line 3 imports skimage, which the image does not have"
    ]


@pytest.mark.parametrize("change", [(2, 4), (3, 1)])
def test_what_comes_before_the_notebook_looks_elsewhere_is_refused(change: tuple[int, int]) -> None:
    imports = importing(_CERTAIN, searches_elsewhere=change)

    with pytest.raises(ModuleMissingError):
        report_imports(ImportResults(missing=(_CERTAIN,)), imports, "process.ipynb")


def test_what_a_run_may_never_need_is_a_warning() -> None:
    assert report_imports(ImportResults(missing=(_OTHER,)), importing(_CERTAIN, _OTHER), "process.ipynb") == [
        "process.ipynb cell 4 line 1 imports seldom, which the image does not have"
    ]


def test_a_refused_import_does_not_hide_the_other_warnings() -> None:
    results = ImportResults(missing=(_CERTAIN, _OTHER))

    with pytest.raises(ModuleMissingError) as refused:
        report_imports(results, importing(_CERTAIN, _OTHER), "process.ipynb", earlier=["kernel 'x' is not installed"])

    assert str(refused.value).splitlines()[-2:] == [
        "warning: kernel 'x' is not installed",
        "warning: process.ipynb cell 4 line 1 imports seldom, which the image does not have",
    ]


def test_a_cell_that_installs_is_told_even_when_nothing_is_missing() -> None:
    assert report_imports(ImportResults(), importing(installs=(1, 3)), "a/b.ipynb") == [
        f"a/b.ipynb cell {number} installs packages when it runs, without a network: declare them in the environment"
        for number in (1, 3)
    ]


def test_a_module_in_a_namespace_is_declared_by_its_whole_name() -> None:
    imports = read_imports([Cell(number=1, kind="code", source="from google.cloud import storage")])

    with pytest.raises(ModuleMissingError, match=r"requirements\.txt: google-cloud-storage$"):
        report_imports(ImportResults(missing=imports.modules), imports, "process.ipynb")


def test_a_module_that_python_has_no_more_is_not_to_be_declared() -> None:
    imp = Import(module="imp", cell=3, line=1, certain=True)

    with pytest.raises(ModuleMissingError) as refused:
        report_imports(ImportResults(missing=(imp,)), importing(imp), "process.ipynb")

    assert str(refused.value) == (
        "process.ipynb imports what the image does not have:\n"
        "  cell 3 line 1: imp\n"
        "imp left Python with 3.12: do without it, or name an earlier Python in runtime.txt"
    )


def test_a_part_of_python_that_debian_packages_alone_is_not_to_be_declared() -> None:
    part = Import(module="tkinter", cell=3, line=1, certain=True)

    with pytest.raises(ModuleMissingError, match=r"add python3-tk to binder/apt\.txt$"):
        report_imports(ImportResults(missing=(part,)), importing(part), "p.ipynb", file="binder/requirements.txt")


_LIBRARY = "cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("source", "errors", "advice"),
    [
        (
            "import cv2",
            [error("ImportError", f"libGL.so.1: {_LIBRARY}")],
            "add libgl1 to apt.txt, or replace opencv-python with opencv-python-headless",
        ),
        (
            "import ctypes_user",
            [error("OSError", f"libstrange-2.so.7: {_LIBRARY}")],
            "add the Debian package with libstrange-2.so.7 to apt.txt",
        ),
        (
            "import pandas",
            [error("ValueError", "numpy.dtype size changed, may indicate binary incompatibility. Expected 96")],
            "declare versions of pandas and of the packages that it needs that fit each other",
        ),
        (
            "from scipy.misc import imresize",
            [error("ImportError", "cannot import name 'imresize' from 'scipy.misc' (/scipy/misc/__init__.py)")],
            "declare a version of scipy that has it, such as scipy==VERSION",
        ),
        (
            "import old",
            [error("AttributeError", "module 'numpy' has no attribute 'float'")],
            "declare a version of old that has it, such as old==VERSION",
        ),
        (
            "import seaborn",
            [error("ModuleNotFoundError", "No module named 'yaml'", "ImportError", name="yaml")],
            "declare them, for example in requirements.txt: PyYAML",
        ),
        (
            "import old",
            [error("ModuleNotFoundError", "No module named 'imp'", "ImportError", name="imp")],
            (
                "imp left Python with 3.12: do without it, or name an earlier Python in runtime.txt, "
                "or declare a later version of old"
            ),
        ),
        (
            "import google.cloud.storage",
            [error("ModuleNotFoundError", "No module named 'google.cloud'", "ImportError", name="google.cloud")],
            "declare the distribution or the version that has google.cloud, such as google-cloud-storage",
        ),
        (
            "import numpy",
            [
                error("ImportError", "\n\nPLEASE READ THIS\n\nOriginal error was: see above\n"),
                error("ImportError", f"libopenblas-r0.so.0: {_LIBRARY}"),
            ],
            "add the Debian package with libopenblas-r0.so.0 to apt.txt",
        ),
        (
            "from tabulate import tabulate",
            [error("ImportError", "cannot import name 'tabulate' from 'tabulate' (unknown location)")],
            (
                "the image has tabulate only as a folder without __init__.py; "
                "if a package is meant, declare them, for example in requirements.txt: tabulate"
            ),
        ),
        (
            "import own.part",
            [error("ModuleNotFoundError", "No module named 'own.part'", "ImportError", name="own.part")],
            "the repository's own has no module own.part: add it, or correct the import",
        ),
        (
            "from json import nothing",
            [error("ImportError", "cannot import name 'nothing' from 'json' (/json/__init__.py)")],
            "this Python does not have it: correct the import, or name another Python in runtime.txt",
        ),
    ],
)
def test_an_import_that_fails_in_every_run_is_refused(source: str, errors: list[dict[str, Any]], advice: str) -> None:
    with pytest.raises(ModuleMissingError) as refused:
        report_imports(failing(source, *errors, local=("own",)), importing(), "process.ipynb")

    head, statement, summary, last = str(refused.value).splitlines()
    assert head == "process.ipynb has imports that fail in the image:"
    assert statement == f"  cell 2 line 1: {source}"
    assert summary == f"    {errors[-1]['kinds'][0]}: {errors[-1]['text']}"
    assert last == f"    {advice}"


@pytest.mark.parametrize(
    "errors",
    [
        [error("KeyError", "'DISPLAY'")],
        [error("RuntimeError", "cannot load a model")],
        [error("OSError", "credentials not found")],
        [error("SystemExit", "1")],
        [error("ImportError", f"libcuda.so.1: {_LIBRARY}")],
        [error("ImportError", "Please make sure that you have an X server running")],
        [error("ImportError", "the model is missing"), error("gaierror", "Name or service not known", "OSError")],
    ],
    ids=lambda errors: errors[0]["text"][:20],
)
def test_an_import_that_may_succeed_in_a_run_is_a_warning(errors: list[dict[str, Any]]) -> None:
    warnings = report_imports(failing("import a", *errors), importing(), "process.ipynb")

    assert warnings == [
        (
            "process.ipynb cell 2 line 1: 'import a' fails in the check, which has no network, display or GPU: "
            f"{errors[0]['kinds'][0]}: {errors[0]['text']}"
        )
    ]


def test_a_failure_that_the_notebook_may_prevent_is_a_warning() -> None:
    """Such as a choice of a backend in an environment variable."""
    results = failing("import keras", error("ModuleNotFoundError", "No module named 'tensorflow'", "ImportError"))

    assert report_imports(results, importing(prepares=(1, 2)), "process.ipynb") == [
        (
            "process.ipynb cell 2 line 1: 'import keras' fails in the image: "
            "ModuleNotFoundError: No module named 'tensorflow'"
        )
    ]


def test_a_kernel_that_does_not_say_is_told() -> None:
    assert report_imports(ImportResults(answered=False), importing(_CERTAIN), "process.ipynb") == [
        "process.ipynb: the kernel did not say which modules it finds, so its imports are not checked"
    ]


def test_nothing_missing_nothing_said() -> None:
    assert report_imports(ImportResults(), importing(_CERTAIN, _OTHER), "process.ipynb") == []


def check(
    repository: Path, *sources: str, kernel: str = "python3", options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """``packmill-runner check`` of a notebook in a folder of the repository, by a kernel of this Python."""
    write_notebook(repository / "notebooks/process.ipynb", "n = 1", *sources, kernel=kernel)
    return run(RUNNER, "check", "--process", "notebooks/process.ipynb", "--repository", repository, *options)


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


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
def test_a_folder_without_a_module_is_none(tmp_path: Path) -> None:
    """Python takes any folder in its search path for a package (PEP 420)."""
    folder = tmp_path / "notebooks"
    for path in ("no_such_data/a.csv", "no_such_cache/__pycache__/a.cpython-311.pyc", "no_such_deep/sub/2020-run.py"):
        (folder / path).parent.mkdir(parents=True)
        (folder / path).touch()
    write(folder / "real/sub", part="n = 1")
    (folder / "real/no_such_part").mkdir()

    done = check(
        tmp_path,
        "import real.sub.part\nimport no_such_data\nimport no_such_cache",
        "import no_such_deep.sub",
        "import real.gone",
        options=("--import",),
    )

    assert (done.returncode, done.stdout) == (13, "")
    assert done.stderr.splitlines() == [
        "packmill-runner: notebooks/process.ipynb imports what the image does not have:",
        "  cell 2 line 2: no_such_data",
        "  cell 2 line 3: no_such_cache",
        "  cell 3 line 1: no_such_deep",
        "declare them, for example in requirements.txt: no_such_data no_such_cache no_such_deep",
        "notebooks/process.ipynb has imports that fail in the image:",
        "  cell 4 line 1: import real.gone",
        "    ModuleNotFoundError: No module named 'real.gone'",
        "    the repository's real has no module real.gone: add it, or correct the import",
    ]


@pytest.mark.slow
def test_imports_are_executed_in_the_order_of_the_notebook_and_their_failures_sorted(tmp_path: Path) -> None:
    write(
        tmp_path / "notebooks",
        first="import builtins\nbuiltins.first_was_here = True",
        second="assert first_was_here\nprint('words')\nimport sys\nsys.stdout = None",
        quits="raise SystemExit(3)",
        asks="import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9/')",
        writes="raise OSError(30, 'Read-only file system')",
        reports="try:\n    import writes\nexcept OSError as error:\n    raise ImportError('no folder') from error",
        guarded="raise ImportError('never reached')",
        library="import ctypes\nctypes.CDLL('libno-such.so.1')",
    )

    done = check(
        tmp_path,
        "import first, second\nimport quits, asks, writes, reports",
        "try:\n    import guarded\nexcept ImportError:\n    pass\nif False:\n    import guarded",
        "%env A=b\nimport library",
        options=("--import",),
    )

    assert done.returncode == 0, done.stderr
    place, reason = "notebooks/process.ipynb cell", "fails in the check, which has no network, display or GPU:"
    assert json.loads(done.stdout)["warnings"] == [
        f"{place} 2 line 2: 'import quits' {reason} SystemExit: 3",
        f"{place} 2 line 2: 'import asks' {reason} URLError: <urlopen error [Errno 111] Connection refused>",
        f"{place} 4 line 2: 'import library' fails in the image: OSError: libno-such.so.1: {_LIBRARY}",
    ]


@pytest.mark.slow
def test_an_import_that_ends_the_kernel_ends_no_check(tmp_path: Path) -> None:
    write(tmp_path / "notebooks", fine="n = 1", crashes="import os\nos._exit(1)")

    done = check(tmp_path, "import fine, crashes\nimport no_such_one", options=("--import",))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["warnings"] == [
        (
            "notebooks/process.ipynb cell 2 line 1: 'import crashes' ends the kernel in the check; "
            "later imports are not checked"
        )
    ]


@pytest.mark.slow
def test_an_import_that_takes_too_long_ends_no_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from generator.runner.cli import main

    monkeypatch.setattr(probe, "_LIMIT", 2.0)
    write(tmp_path / "notebooks", waits="import time\ntime.sleep(600)")
    write_notebook(tmp_path / "notebooks/process.ipynb", "n = 1", "import waits")

    with patch.dict(os.environ):  # a check sets HOME and others
        code = main(["check", "--process", "notebooks/process.ipynb", "--repository", str(tmp_path), "--import"])

    assert code == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == [
        (
            "notebooks/process.ipynb cell 2 line 1: 'import waits' takes longer than a minute in the check; "
            "later imports are not checked"
        )
    ]


@pytest.mark.slow
def test_a_kernel_that_runs_no_code_ends_no_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silence = "--IPKernelApp.exec_lines=open = None"
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", silence]
    (tmp_path / "jupyter/kernels/silent").mkdir(parents=True)
    specification = {"argv": argv, "language": "python", "display_name": "silent"}
    (tmp_path / "jupyter/kernels/silent/kernel.json").write_text(json.dumps(specification))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))

    done = check(tmp_path / "repository", "import no_such_one", kernel="silent")

    assert done.returncode == 0, done.stderr
    said = "the kernel did not say which modules it finds, so its imports are not checked"
    assert json.loads(done.stdout)["warnings"] == [f"notebooks/process.ipynb: {said}"]
