"""The package ``packmill``: the commands as Python functions, and ``glue`` for notebooks."""

from __future__ import annotations

import argparse
import ast
import inspect as introspection
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support import Finished, commit_all, here, write_notebook

import packmill as api
from generator.package.engines import execution

_top = here.parent
_CELL = (
    "city = 'Lisbon'  # type: string\nday = '2020-01-31'  # type: date\n"
    "table = 'a.csv'  # type: file\nkey = ''  # type: secret\n"
)


@pytest.fixture
def package(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The folder of a package without an image."""
    write_notebook(repository / "process.ipynb", _CELL)
    (repository / "a.csv").write_text("a")
    commit_all(repository)
    monkeypatch.chdir(tmp_path)
    return api.build(repository, no_image=True)["package"]


def test_a_description_is_that_of_the_command(packmill: Callable[..., Finished]) -> None:
    example = _top / "examples/city-temperatures"

    described = api.inspect(example, ram="4GB")

    assert described == packmill("inspect", example, "--ram", "4GB", "--json").json()
    assert set(described) == set(api.Description.__annotations__)
    assert described["resources"]["ram"]


def test_a_build_returns_what_the_command_prints(
    package: str, repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    built = api.build(repository, process=["process.ipynb"], output=tmp_path / "packages", no_image=True)

    printed = packmill("build", repository, "--output", tmp_path / "packages", "--no-image", "--json").json()
    assert built == printed
    assert Path(built["package"], "process.cwl").is_file()
    assert set(built) <= set(api.BuiltPackage.__annotations__)


def test_a_failure_has_the_exit_code_of_the_command(repository: Path) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")

    with pytest.raises(api.PackmillError, match=r"missing\.ipynb") as caught:
        api.inspect(repository, process="missing.ipynb")

    assert caught.value.exit_code == 11


def test_values_of_a_run_are_python_objects(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(execution, "execute", lambda _document, job, **_options: started.append(job) or {"a": 1})
    (tmp_path / "mine.csv").write_text("b")
    values = {"city": "Nairobi", "day": date(2021, 2, 3), "table": Path("mine.csv"), "key": "s3cret"}

    outputs = api.run(package, values, outdir=tmp_path / "out")

    assert outputs == {"a": 1}
    assert (started[0]["city"], started[0]["day"], started[0]["key"]) == ("Nairobi", "2021-02-03", "s3cret")
    assert started[0]["table"]["location"] == (tmp_path / "mine.csv").as_uri()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nothing": 1}, "nothing: no such input"),
        ({"city": Ellipsis}, "ellipsis is not a value of JSON"),
        ({"city": float("nan")}, "values: "),
        ({"city": {"$import": "/etc/passwd"}}, "import"),
        ({"table": "missing.csv"}, "missing.csv"),
        ({"day": "yesterday's"}, "day"),
    ],
    ids=str,
)
def test_values_that_do_not_fit_are_refused_before_a_run(package: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(api.PackmillError, match=re.escape(message)) as caught:
        api.run(package, values)

    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["inspect", "build", "run"])
def test_a_function_has_every_option_of_its_command(name: str) -> None:
    commands = argparse.ArgumentParser().add_subparsers()
    import_module(f"generator.commands.{name}").add(commands)
    options = {action.dest for action in commands.choices[name]._actions} - {"help", "json"}

    assert set(introspection.signature(getattr(api, name)).parameters) - {"engine_options"} == options


def test_the_page_s_examples_use_options_that_exist() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (_top / "docs/api.md").read_text(encoding="utf-8"), re.DOTALL)
    calls = [node for block in blocks for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    ours = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in ("inspect", "build", "run")]

    assert len(ours) == 5
    for call in ours:
        assert isinstance(call.func, ast.Name)
        introspection.signature(getattr(api, call.func.id)).bind(
            *call.args, **{str(one.arg): one.value for one in call.keywords}
        )


def test_importing_the_package_imports_nothing_and_has_glue() -> None:
    code = (
        "import sys, json, packmill\n"
        "loaded = [name for name in sys.modules if name.partition('.')[0] == 'generator']\n"
        "from packmill import glue\n"
        "import packmill_geodata\n"
        "still = [name for name in sys.modules if name.partition('.')[0] == 'generator']\n"
        "print(json.dumps([loaded, still, glue.__name__, sorted(set(packmill.__all__) - set(dir(packmill)))]))"
    )

    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=_top, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == [[], [], "glue", []]
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        api.nothing  # noqa: B018
