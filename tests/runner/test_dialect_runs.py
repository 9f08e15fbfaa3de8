"""The values of a run reach notebooks in the dialects of other tools; ``printed.txt`` is what the cells print."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dialect_cases import dialect_notebook
from support import Folder, folders

from generator.notebook.dialects.sidecar import sidecar_of
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.runner.server.catalogue import Catalogue

pytestmark = pytest.mark.slow


def prepare(case: Path, folder: Path) -> Folder:
    """Copy a case and write its notebook."""
    shutil.copytree(case, folder, dirs_exist_ok=True)
    (folder / "in.ipynb").write_text(json.dumps(dialect_notebook(case)), encoding="utf-8")
    (folder / "other.csv").write_text("from the caller\n", encoding="utf-8")
    return Folder(folder)


@pytest.mark.parametrize("case", folders("dialects"), ids=lambda path: path.name)
def test_a_run_uses_the_values(case: Path, tmp_path: Path, golden: Callable[[Path, str], None]) -> None:
    here = prepare(case, tmp_path)

    done = here.run("--process", "in.ipynb", "--repository", ".", "--output", "o", "--inputs", "inputs.json")

    assert done.returncode == 0, done.stderr
    golden(case / "printed.txt", here.texts("o/in.ipynb"))
    notebook = read_notebook((tmp_path / "in.ipynb").read_bytes(), "in.ipynb")
    interface = read_interface(notebook, sidecar=sidecar_of(tmp_path, "in.ipynb"))
    for output in interface.outputs:
        assert (tmp_path / "o" / output.glob).is_file(), output.name


@pytest.mark.parametrize("case", folders("dialects"), ids=lambda path: path.name)
def test_a_run_without_values_has_the_defaults(case: Path, tmp_path: Path, golden: Callable[[Path, str], None]) -> None:
    here = prepare(case, tmp_path)

    done = here.run("--process", "in.ipynb", "--repository", ".", "--output", "o")

    assert done.returncode == 0, done.stderr
    golden(case / "printed-defaults.txt", here.texts("o/in.ipynb"))


def test_a_secret_variable_is_not_saved(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.write("import os\ntoken = os.environ.get('api_token', '')\nprint(len(token), token)", tags=())
    (tmp_path / "inputs.json").write_text('{"api_token": "very secret"}')

    done = here.run("--process", "in.ipynb", "--repository", ".", "--output", "o", "--inputs", "inputs.json")

    assert done.returncode == 0, done.stderr
    assert here.texts("o/in.ipynb") == "11 ********\n"
    assert "very secret" not in "".join(path.read_text() for path in (tmp_path / "o").iterdir())


def test_metrics_of_kale_are_scraps(tmp_path: Path) -> None:
    here = prepare(next(case for case in folders("dialects") if case.name == "kale"), tmp_path)

    here.run("--process", "in.ipynb", "--repository", ".", "--output", "o", "--inputs", "inputs.json")

    assert json.loads((tmp_path / "o" / "scraps.json").read_text())["accuracy"] == 2.25


def test_outputs_of_nb2workflow_are_scraps(tmp_path: Path) -> None:
    case = next(case for case in folders("dialects") if case.name == "nb2workflow")
    here = prepare(case, tmp_path)

    here.run("--process", "in.ipynb", "--repository", ".", "--output", "o", "--inputs", "inputs.json")

    scraps = json.loads((tmp_path / "o" / "scraps.json").read_text())
    assert list(scraps) == json.loads((case / "peer.json").read_text(encoding="utf-8"))["scraps"]
    assert scraps["spectrum"] == "spectrum.txt"
    assert scraps["flux"] == scraps["total"] == 10


def test_a_server_reads_an_edited_yaml_file_again(tmp_path: Path) -> None:
    case = next(case for case in folders("dialects") if case.name == "times-square")
    prepare(case, tmp_path)
    catalogue = Catalogue(tmp_path)

    first = [one.name for one in catalogue.get("in.ipynb").interface.inputs]
    (tmp_path / "in.yaml").write_text("parameters: {A: {type: integer}}")

    assert len(first) == 6
    assert [one.name for one in catalogue.get("in.ipynb").interface.inputs] == ["A"]


def test_an_engine_of_papermill_cannot_pass_values(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.write("n: 'CWLIntInput' = 3", tags=())

    done = here.run("in.ipynb", "out.ipynb", "-p", "n", "4", "--engine", "nbclient")

    assert done.returncode == 2
    assert "in.ipynb: --engine nbclient does not know the conventions of this notebook" in done.stderr


@pytest.mark.parametrize("case", folders("dialects"), ids=lambda path: path.name)
def test_papermill_with_the_engine_of_packmill_uses_the_values(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import papermill

    here = prepare(case, tmp_path)
    given = json.loads((case / "inputs.json").read_text())
    values = {name: one["path"] if isinstance(one, dict) else one for name, one in given.items()}
    monkeypatch.chdir(tmp_path)

    papermill.execute_notebook("in.ipynb", "out.ipynb", values, engine_name="packmill", progress_bar=False)

    assert here.texts() == (case / "printed.txt").read_text(encoding="utf-8")


def test_papermill_with_the_engine_of_packmill_gives_dates_in_the_form_of_the_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import papermill

    here = Folder(tmp_path)
    cell = (
        "from datetime import date\nday = date(2020, 1, 31)  # type: date\nlast = 'today'  # type: date[2020-01-01..]"
    )
    here.write(cell, "print(repr(day), last[:2])")
    monkeypatch.chdir(tmp_path)
    options = {"engine_name": "packmill", "progress_bar": False}

    papermill.execute_notebook("in.ipynb", "out.ipynb", {"day": "2021-02-03"}, **options)

    assert here.texts() == "datetime.date(2021, 2, 3) 20\n"
    assert here.executed()["metadata"]["papermill"]["parameters"]["day"] == "2021-02-03"
    with pytest.raises(ValueError, match="last is '2019-01-01', but a date on or after 2020-01-01"):
        papermill.execute_notebook("in.ipynb", "out.ipynb", {"last": "2019-01-01"}, **options)


def test_any_notebook_runs_with_values_of_its_dialect(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.write("n = 3 #@param {type:'integer'}\nprint(n)", tags=())

    done = here.run("in.ipynb", "out.ipynb", "-p", "n", "4")

    assert done.returncode == 0, done.stderr
    assert here.texts() == "4\n"
    assert here.executed()["metadata"]["papermill"]["parameters"] == {"n": 4}


_CELLS = ("import math", "# the stock\nstock = 'YHOO'\ndays = 30", "print(stock, days)")


def test_a_run_takes_the_requested_cell_for_the_parameters(tmp_path: Path) -> None:
    here = Folder(tmp_path)
    here.write(*_CELLS, tags=())
    (tmp_path / "inputs.json").write_text('{"stock": "GOOG"}')
    process = ("--process", "in.ipynb", "--repository", ".", "--output", "o", "--inputs", "inputs.json")

    packaged = here.run(*process, "--parameters-cell", "2")
    standalone = here.run("in.ipynb", "out.ipynb", "-p", "days", "7", "--parameters-cell", "2")
    shown = here.run("in.ipynb", "--help-notebook", "--parameters-cell", "2")
    refused = here.run("in.ipynb", "out.ipynb", "--parameters-cell", "9")

    assert packaged.returncode == standalone.returncode == 0, packaged.stderr + standalone.stderr
    assert here.texts("o/in.ipynb") == "GOOG 30\n"
    assert here.texts() == "YHOO 7\n"
    assert "stock: string (default: 'YHOO')" in shown.stdout
    assert refused.returncode == 3
    assert "--parameters-cell 9: cell 9 does not exist" in refused.stderr


def test_the_engine_of_packmill_takes_the_requested_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import papermill

    here = Folder(tmp_path)
    here.write(*_CELLS, tags=())
    monkeypatch.chdir(tmp_path)

    papermill.execute_notebook(
        "in.ipynb", "out.ipynb", {"days": 7}, engine_name="packmill", progress_bar=False, parameters_cell=2
    )

    assert here.texts() == "YHOO 7\n"
