"""DAGs for Airflow as text: Params, names, hostile repositories. `tests/e2e/test_airflow.py` runs them in Airflow."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import jsonschema
import papermill
import pytest
from docker.errors import NotFound
from support import Finished, cases, notebook, write_notebook
from test_emitters import _context as context_of
from waiting import wait_until

from generator.documents.context import DocumentContext
from generator.documents.descriptors import airflow
from generator.documents.descriptors.airflow_params import emptied, has_whole_numbers, param
from generator.documents.python_text import python_text
from generator.metadata.metadata import Metadata
from generator.notebook.interface import Input
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.process.process import Process
from generator.request.resources import Resources
from generator.request.variables import from_variables

_HOSTILE = "'''\"\"\" \\ {{ 7*7 }} {% raw %} ${x} \u2028\u202e\x00 \nimport os; os.abort()  # \" '"
_FILE, _FOLDER = "path of a file in the data folder", "path of a folder in the data folder"


def input_of(line: str) -> Input:
    return read_interface(read_notebook(json.dumps(notebook(line)).encode(), "process.ipynb")).inputs[0]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("n = 3  # type: int how many", {"default": 3, "type": "integer", "description": "how many"}),
        ("n = 3", {"default": 3, "type": "number"}),
        ("n: int", {"type": "integer"}),
        ("n = None  # type: int?", {"default": None, "type": ["null", "integer"]}),
        ("x = float('nan')", {"default": None, "type": ["null", "string", "number", "boolean", "array", "object"]}),
        ("t = 'a'", {"default": "a", "type": "string"}),
        ("t = ''", {"default": "", "type": ["null", "string"]}),
        ("t = 'a\\nb'", {"default": "a\nb", "type": "string", "format": "multiline"}),
        ("f = False", {"default": False, "type": "boolean"}),
        ("c: Literal['r', 'g'] = 'r'", {"default": "r", "type": "string", "enum": ["r", "g"]}),
        ("c: Literal['r', 'g'] = None", {"default": None, "type": ["null", "string"], "enum": ["r", "g", None]}),
        ("c: Literal[1, 2] = 2", {"default": 2, "type": "integer", "enum": [1, 2]}),
        ("m = ['a']", {"default": ["a"], "type": ["null", "array"], "items": {"type": "string"}}),
        ("m = (1, 2)", {"default": [1, 2], "type": ["null", "array"], "items": {"type": "number"}}),
        (
            "m: list[Literal['a', 'b']] = []",
            {
                "default": [],
                "type": ["null", "array"],
                "items": {"type": "string", "enum": ["a", "b"]},
                "examples": ["a", "b"],
            },
        ),
        ("d = {'a': 1}", {"default": {"a": 1}}),
        ("c: Literal[1, 'a'] = 1", {"default": 1, "enum": [1, "1", "a"]}),
        ("s = 'a.tif'  # type: stage-in", {"type": "string", "description": f"{_FILE}, or a URL"}),
        (
            "s = 'in/'  # type: stage-in?",
            {"default": None, "type": ["null", "string"], "description": f"{_FOLDER}, or a URL"},
        ),
        ("s = 'a.csv'  # type: File", {"default": None, "type": ["null", "string"], "description": _FILE}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_an_input_is_a_param(line: str, expected: dict[str, Any]) -> None:
    assert param(input_of(line)) == expected


def test_defaults_of_params_are_valid() -> None:
    """Airflow checks them: with a schedule, the whole DAG would not be imported."""
    top = cases / "packages" / "airflow" / "repository"
    inputs = read_interface(read_notebook((top / "process.ipynb").read_bytes(), "process.ipynb")).inputs

    assert len(inputs) > 20
    for one in inputs:
        arguments = param(one)
        if "default" in arguments:
            jsonschema.validate(arguments.pop("default"), arguments)


@pytest.mark.parametrize(
    ("line", "expected"),
    [("t = ''", ""), ("m = ['a']", []), ("m = ['a']  # type: str[]?", None), ("t = 'a'", None), ("n: int", None)],
)
def test_an_emptied_field_has_a_meaning(line: str, expected: object) -> None:
    assert emptied(input_of(line)) == expected


def test_integers_are_known() -> None:
    lines = ("n = 3", "n: int = 3", "n = [1, 2]", "n = 3.5", "n: float = 3", "n = True", "n = []", "n = [1, 2.5]")

    assert [has_whole_numbers(input_of(line)) for line in lines] == [True] * 3 + [False] * 5


def test_a_dag_is_python_for_every_repository(tmp_path: Path) -> None:
    """Nothing of the repository becomes code, a template, or the end of a docstring."""
    context = context_of("n = 1  # type: int")
    interface = context.process.interface
    one = replace(interface.inputs[0], doc=_HOSTILE, name="text", default=_HOSTILE, hint=input_of("t = ''").hint)
    needed = [
        replace(input_of(line), name=f"{_HOSTILE}\\x\\N{line[0]}")
        for line in ("f = ['a.tif']  # type: stage-in", "s = ''  # type: secret", "n: int")
    ]
    process = replace(
        context.process,
        metadata=Metadata(name=_HOSTILE, description=_HOSTILE),
        path=f"{_HOSTILE.replace('/', '')}/a{{b}}.ipynb",
        interface=replace(interface, inputs=(one,)),
    )
    with_names = replace(process, interface=replace(interface, inputs=(one, *needed)))
    branch = '''x"""+str(__import__("os").abort())+"""'''
    source = replace(context.source, owner='o"""\\x', name='n"""\\N', checkout=branch)
    hostile = replace(context, source=source, image=branch, staging_image=branch)
    emitted = [airflow.emit(replace(hostile, process=of)) for of in (process, with_names)]
    for name, text in chain.from_iterable(files.items() for files in emitted):
        tree = ast.parse(text)
        file = tmp_path / Path(name).name
        file.write_text(text, encoding="utf-8")

        assert isinstance(tree.body[0], ast.Expr)
        assert isinstance(tree.body[0].value, ast.Constant), "a docstring alone"
        assert {node.name for node in ast.walk(tree) if isinstance(node, ast.Import) for node in node.names} <= {
            "json", "os", "papermill", "subprocess",
        }  # fmt: skip
        params = next(node for node in tree.body if isinstance(node, ast.Assign) and _names(node) == ["PARAMS"])
        assert ast.literal_eval(params.value.values[0].args[0]) == _HOSTILE  # type: ignore[attr-defined]
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", str(tmp_path)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def _names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def test_dags_are_formatted_and_without_findings_of_ruff() -> None:
    files = [str(path) for path in (cases / "packages" / "airflow" / "expected").rglob("*.py")]

    assert len(files) == 4
    for command in (["check"], ["format", "--check"]):
        words = [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", *files]
        done = subprocess.run(words, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_ids_and_names_of_files_are_short_enough() -> None:
    context = context_of("n = 1")
    long = replace(context, process=replace(context.process, path=f"{'ä' * 120}/{'b' * 200}.ipynb"))

    for name, text in airflow.emit(long).items():
        dag_id = text.split('dag_id="')[1].split('"')[0]
        assert len(dag_id) <= 250
        assert len(Path(name).name.encode()) <= 255


def test_a_secret_is_a_variable_and_no_param() -> None:
    files = airflow.emit(context_of("token = ''  # type: secret"))

    assert list(files) == ["airflow/a_b_main_docker.py"]
    assert 'SECRETS = {"token": "a_b_main_secret_token"}' in files["airflow/a_b_main_docker.py"]
    assert "PARAMS: dict[str, Param] = {}" in files["airflow/a_b_main_docker.py"]


def test_the_staging_guard_of_a_platform_is_in_the_dag() -> None:
    context = context_of("f = []  # type: stage-in")
    guarded: DocumentContext = replace(context, guard=True, guard_allows=("10.0.0.0/8",))

    assert '"--guard",\n    "--allow",\n    "10.0.0.0/8",' in airflow.emit(guarded)["airflow/a_b_main_docker.py"]


def test_a_script_has_no_notebook_to_run_in_place() -> None:
    context = context_of("n = 1")
    script = Process(path="run.sh", language="shell", kernel=None, interface=context.process.interface)

    assert list(airflow.emit(replace(context, process=script))) == ["airflow/a_b_main_run_docker.py"]


@pytest.mark.parametrize(
    "value", ["it's", 'say "a"', "both ' and \"", "a\\b\n\t\x00\u2028é😀", [], {}, [1.5, None, True]]
)
def test_a_literal_is_the_value(value: object) -> None:
    assert ast.literal_eval(python_text(value)) == value


def test_an_unknown_kind_of_document_is_refused(packmill: Callable[..., Finished]) -> None:
    finished = packmill("build", "https://example.org/a/b", "--emit", "airflov")

    assert finished.code == 2
    assert "--emit airflov: no such document; choose from: airflow" in finished.err


def test_a_pipeline_names_documents_in_a_variable() -> None:
    request = from_variables({"repository": "https://example.org/a/b", "emit": "airflow, airflow"})

    assert request is not None
    assert request.emits == ("airflow",)


def test_a_notebook_without_a_kernel_runs_in_one_of_its_language(tmp_path: Path) -> None:
    """papermill itself refuses it."""
    context = context_of("n = 1")
    text = airflow.emit(replace(context, process=replace(context.process, kernel=None)))["airflow/a_b_main_notebook.py"]
    given = {"kernel_name": "python", "language": "python"}

    assert all(f'{name}="{value}",' in text for name, value in given.items())
    source = tmp_path / "in.ipynb"
    write_notebook(source, "n = 1", "print(n)", kernel=None)
    executed = papermill.execute_notebook(
        str(source), str(tmp_path / "out.ipynb"), {"n": 5}, engine_name="packmill", progress_bar=False, **given
    )
    assert executed.cells[-1].outputs[0].text == "5\n"


def test_a_dag_asks_for_the_resources_that_are_known() -> None:
    """Memory is not among them: authors state the least that a process needs, Docker limits the most."""
    context = context_of("n = 1")
    process = replace(context.process, resources=Resources(cores=1.5, ram=4096, time=90, gpu=2))
    files = airflow.emit(replace(context, process=process))

    assert '"execution_timeout": timedelta(seconds=90),' in files["airflow/a_b_main_notebook.py"]
    docker = files["airflow/a_b_main_docker.py"]
    assert "        cpus=1.5,\n" in docker
    assert 'device_requests=[DeviceRequest(count=2, capabilities=[["gpu"]])],' in docker
    assert "mem_limit" not in docker


class _Engine:
    """An engine with the containers of earlier tries; the last one ends as it is removed."""

    def __init__(self, *labels: str) -> None:
        self.left = dict(enumerate(labels))

    def containers(self, *, all: bool, filters: dict[str, str]) -> list[dict[str, int]]:  # noqa: A002 - docker-py's name
        assert all, "a container that was not started yet counts, too"
        return [{"Id": number} for number, label in self.left.items() if label == filters["label"]]

    def remove_container(self, number: int, *, force: bool) -> None:
        assert force, "it runs"
        del self.left[number]
        if not self.left:
            raise NotFound("No such container")


class _Operator:
    """Airflow's operator, which starts no container here."""

    template_fields = ()
    cli = _Engine()

    def __init__(self, **_: object) -> None:
        pass

    def execute(self, _: object) -> None:
        pass

    def __rshift__(self, _: object) -> None:
        pass


@pytest.fixture
def dag(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the DAG of an image defines, without Airflow."""
    return _defined_by("docker", monkeypatch)


def _defined_by(kind: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    text = (cases / "packages" / "airflow" / "expected" / "airflow" / f"ada_trees_main_{kind}.py").read_text()
    return _defined(text, monkeypatch)


def _defined(text: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name in ("airflow.providers.docker.operators.docker", "airflow.sdk", "airflow.sdk.exceptions", "docker.types"):
        module = MagicMock()
        module.DockerOperator, module.Variable.get.return_value = _Operator, None
        monkeypatch.setitem(sys.modules, name, module)
    defined: dict[str, Any] = {"__name__": "dag"}
    exec(compile(text, "dag.py", "exec"), defined)
    return defined


@pytest.fixture
def run(tmp_path: Path, dag: dict[str, Any]) -> Path:
    """The folder of a run, as the container leaves it; next to it is a file of the worker."""
    (tmp_path / "worker.cfg").write_text("secret")
    output = tmp_path / "run" / "output"
    output.mkdir(parents=True)
    (output / "made.csv").write_text("a")
    (output / "result.json").write_text('{"duration": 1}')
    (output / "scraps.json").write_text("{}")
    objects = {name: {"class": "File", "path": "output/made.csv"} for name in ("output_nb", *dag["OUTPUTS"])}
    (output.parent / "cwl.output.json").write_text(json.dumps(objects))
    return output.parent


def _name_elsewhere(run: Path, place: str) -> None:
    objects = json.loads((run / "cwl.output.json").read_text())
    objects[next(reversed(objects))] = [{"class": "File", "path": place}]
    (run / "cwl.output.json").write_text(json.dumps(objects))


def _link_output(run: Path) -> None:
    (run / "output" / "made.csv").unlink()
    (run / "output" / "made.csv").symlink_to(run.parent / "worker.cfg")


def _link_in_folder(run: Path) -> None:
    (run / "output" / "tiles").mkdir()
    (run / "output" / "tiles" / "b.csv").symlink_to("../../../worker.cfg")


def _make_pipe(run: Path) -> None:
    (run / "output" / "result.json").unlink()
    os.mkfifo(run / "output" / "result.json")


@pytest.mark.parametrize(
    "leave",
    [
        lambda run: _name_elsewhere(run, str(run.parent / "worker.cfg")),
        lambda run: _name_elsewhere(run, "../worker.cfg"),
        _link_output,
        _link_in_folder,
        _make_pipe,
    ],
    ids=["absolute", "parents", "link", "link-in-folder", "pipe"],
)
def test_a_container_gives_airflow_no_file_of_its_worker_and_no_pipe(
    run: Path, dag: dict[str, Any], leave: Callable[[Path], None]
) -> None:
    """Other tasks take the results for files of the run; a pipe would be waited for without end."""
    assert dag["run_results"](run)["notebook"] == str(run / "output" / "made.csv")
    (run / "output" / "own.csv").symlink_to("/work/output/made.csv")  # leads nowhere here
    assert dag["run_results"](run)["notebook"] == str(run / "output" / "made.csv")
    leave(run)

    with pytest.raises(ValueError, match=r"leads out of the run.s folder|not a file"):
        dag["run_results"](run)


@pytest.mark.parametrize(
    "scraps",
    [
        {"__type": "airflow.sdk.definitions.connection.Connection", "__var": {"conn_id": "a", "conn_type": "http"}},
        {"table": [{"__classname__": "builtins.tuple", "__version__": 1, "__data__": []}]},
        {"model": {"__id__": "1"}},
    ],
    ids=["earlier-object", "object", "schema"],
)
def test_no_scrap_becomes_an_object_of_airflow_in_later_tasks(
    run: Path, dag: dict[str, Any], capsys: pytest.CaptureFixture[str], scraps: dict[str, Any]
) -> None:
    """XCom takes some keys for its own (``airflow.sdk.serde``): the task would fail, or a later one get an object."""
    (run / "output" / "scraps.json").write_text(json.dumps({"a": [{"b": 1}], "_c": None}))
    assert dag["run_results"](run)["scraps"] == {"a": [{"b": 1}], "_c": None}
    (run / "output" / "scraps.json").write_text(json.dumps(scraps))
    (run / "output" / "result.json").write_text(json.dumps({"duration": scraps}))

    assert dag["run_results"](run).keys() == {"folder", "notebook", "outputs"}
    assert "scraps: not returned" in capsys.readouterr().out


def test_a_link_that_a_container_left_does_not_lead_the_next_stage_in_out_of_the_run(
    run: Path, dag: dict[str, Any]
) -> None:
    elsewhere = run.parent / "scene"
    elsewhere.mkdir()
    (run / "stage_in").symlink_to(run.parent)
    dag["run_folder"] = lambda _: run
    dag["data_folder"] = lambda: run

    dag["StageInOperator"](folder="run", templates={}).fetch("scene", ["https://a.org/b"], {})

    assert elsewhere.exists()
    assert (run / "stage_in" / "scene").is_dir()
    assert not (run / "stage_in").is_symlink()


def _make_levels(folder: Path, levels: int) -> None:
    """Make folders in each other, with paths that may be longer than the system takes; the last one has a link."""
    folder.mkdir(parents=True, exist_ok=True)
    opened = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=opened)
        inner = os.open("d", os.O_RDONLY, dir_fd=opened)
        os.close(opened)
        opened = inner
    os.symlink("/etc/hostname", "link", dir_fd=opened)
    os.close(opened)


def test_folders_in_each_other_that_a_container_left_do_not_fail_the_next_try(run: Path, dag: dict[str, Any]) -> None:
    dag["run_folder"] = lambda _: run
    dag["data_folder"] = lambda: run
    dag["given_values"] = lambda *_: {}
    dag["run_results"] = lambda _: {}
    _make_levels(run / "output", 2100)
    _make_levels(run / "stage_in" / "scene", 2100)
    (run / "output" / "closed" / "inner").mkdir(parents=True)
    (run / "output" / "closed").chmod(0)

    dag["RunOperator"](folder="run", templates={}).execute({})
    dag["StageInOperator"](folder="run", templates={}).fetch("scene", ["https://a.org/b"], {})

    assert not (run / "output").exists()
    assert [path.name for path in (run / "stage_in" / "scene").iterdir()] == ["stage_in.json"]


def test_the_container_of_a_killed_try_does_not_go_on_next_to_that_of_the_next_one(
    run: Path, dag: dict[str, Any]
) -> None:
    """The results would be a mixture of both."""
    dag["run_folder"] = lambda _: run
    dag["data_folder"] = lambda: run
    dag["given_values"] = lambda *_: {}
    dag["run_results"] = lambda _: {}
    label, ran = dag["FOLDER_LABEL"], []
    for kind, folder in (("RunOperator", run), ("StageInOperator", run / "stage_in" / "scene")):
        task = dag[kind](folder="run", templates={})
        task.cli = _Engine(f"{label}={folder}-of-another-run", f"{label}={folder}")
        task.execute({}) if kind == "RunOperator" else task.fetch("scene", ["https://a.org/b"], {})
        ran.append((list(task.cli.left), task.labels))
        task.cli = _Engine(f"{label}={folder}")
        task.remove_earlier(folder)

    assert ran == [([0], {label: str(folder)}) for folder in (run, run / "stage_in" / "scene")]


def test_a_run_takes_the_files_of_its_own_addresses_alone(run: Path, dag: dict[str, Any]) -> None:
    """After a failed run, its user may correct an address, and clear the task ``run`` without ``stage_in``."""
    dag["run_folder"] = lambda _: run
    dag["data_folder"] = lambda: run
    dag["AirflowFailException"] = LookupError
    (run / "own.tif").touch()
    fetched, staged = "https://a.org/b?signature=123", {"class": "File", "path": "stage_in/scene/staged/b"}

    with pytest.raises(LookupError, match="clear both tasks"):
        dag["staged_files"]("scene", fetched, run)
    dag["StageInOperator"](folder="run", templates={}).fetch("scene", [fetched], {})
    report = json.dumps({"output_file": {"class": "File", "path": "staged/b"}})
    (run / "stage_in" / "scene" / "cwl.output.json").write_text(report)

    assert dag["staged_files"]("scene", fetched, run) == staged
    assert dag["staged_files"]("scene", "own.tif", run) is None
    with pytest.raises(LookupError, match="scene: its addresses are not those"):
        dag["staged_files"]("scene", "https://a.org/c", run)
    given: dict[str, Any] = {"scene": fetched}
    dag["given_values"] = lambda *_: dict(given)
    dag["run_results"] = lambda _: {}
    values: list[dict[str, Any]] = []
    dag["write_json"] = lambda _, value: values.append(value)
    for given["scene"] in (fetched, "own.tif"):
        dag["RunOperator"](folder="run", templates={}).execute({})
    assert values == [{"scene": staged}, {"scene": {"class": "File", "path": str(run / "own.tif")}}]
    assert "signature" not in (run / "stage_in" / "scene" / "stage_in.json").read_text()


def test_a_link_below_very_many_folders_is_checked(run: Path, dag: dict[str, Any]) -> None:
    _make_levels(run / "output", 1100)

    with pytest.raises(ValueError, match=r"leads out of the run.s folder"):
        dag["run_results"](run)

    dag["remove_folder"](run / "output")


def test_a_notebook_in_place_may_leave_very_many_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dag = _defined_by("notebook", monkeypatch)
    _make_levels(tmp_path / "tiles", 1100)

    os.unlink(tmp_path / "tiles" / ("d/" * 1100) / "link")
    (tmp_path / "tiles" / ("d/" * 1100) / "a.tif").write_text("map")

    assert dag["is_new"](tmp_path / "tiles", 0.0)
    assert dag["copy_file"](tmp_path / "tiles", tmp_path / "run" / "tiles", 0.0) == str(tmp_path / "run" / "tiles")

    assert (tmp_path / "run" / "tiles" / ("d/" * 1100) / "a.tif").read_text() == "map"
    for folder in (tmp_path / "tiles", tmp_path / "run"):
        dag["remove_folder"](folder)
    assert not (tmp_path / "tiles").exists()


def _tick(folder: Path) -> float:
    """Return a moment after all files that exist; files that are written later are not older."""
    moment = time.time()
    probe = folder / "clock"

    def written() -> float:
        probe.write_text("")
        return probe.stat().st_ctime

    return wait_until(lambda: written() if written() > moment else 0.0, interval=0.001, message="a later time of files")


def _files(folder: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_a_folder_of_a_notebook_in_place_has_only_files_of_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder keeps the files of earlier runs; later tasks would take them for results."""
    dag = _defined_by("notebook", monkeypatch)
    dag["OUTPUTS"] = {"tiles": {"patterns": ["tiles"], "many": False, "optional": False}}
    tiles, run = tmp_path / "source" / "tiles", tmp_path / "run"
    run.mkdir()
    for name in ("2025", "both"):
        (tiles / name).mkdir(parents=True)
        (tiles / name / "old.tif").write_text("old")
    (tiles / "changed.tif").write_text("old")
    started = _tick(tmp_path)
    (tiles / "2026.tif").write_text("new")
    (tiles / "changed.tif").write_text("new")
    (tiles / "both" / "new.tif").write_text("new")
    (tiles / "archived.tif").write_text("new")
    os.utime(tiles / "archived.tif", (0, 0))  # as tar and unzip do
    (tiles / "latest.tif").symlink_to("2026.tif")
    (tiles / "nowhere.tif").symlink_to("2027.tif")
    (tiles / "empty").mkdir()

    assert dag["collect_outputs"]([tmp_path / "source"], run, started) == {"tiles": str(run / "tiles")}

    new = ["2026.tif", "archived.tif", "both/new.tif", "changed.tif", "latest.tif"]
    assert _files(str(run / "tiles")) == new
    assert {(run / "tiles" / name).read_text() for name in new} == {"new"}
    assert sorted(path.name for path in (run / "tiles").iterdir() if path.is_dir()) == ["both", "empty"]


def test_a_repeated_task_does_not_return_files_of_its_earlier_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dag = _defined_by("notebook", monkeypatch)
    task = dag["task"].call_args.args[0]
    source, run = tmp_path / "source", tmp_path / "run"
    for folder in (source / "tiles", run):
        folder.mkdir(parents=True)
    dag.update(PARAMS={"deposit": None}, EMPTIED={}, WHOLE=[], FILES={}, run_folder=lambda _: run)
    dag["OUTPUTS"] = {
        "tiles": {"patterns": ["tiles"], "many": False, "optional": False},
        "deposit": {"patterns": ["deposit"], "many": False, "optional": False, "place": "deposit/"},
    }
    dag["notebook_path"] = lambda: source / "process.ipynb"
    dag["get_current_context"].return_value = {"params": {}, "dag_run": MagicMock(conf={})}
    names: list[str] = []

    def execute(*_: object, parameters: dict[str, str], **__: object) -> None:
        _tick(tmp_path)
        name = names[-1]
        (source / "tiles" / name).write_text(name)
        Path(parameters["deposit"], name).write_text(name)
        (run / "result.json").write_text('{"duration": 1}')
        (run / "scraps.json").write_text("{}")

    monkeypatch.setattr(papermill, "execute_notebook", execute)
    for name in ("first.tif", "second.tif"):
        names.append(name)
        outputs = task("folder", {})["outputs"]
        assert {one: _files(path) for one, path in outputs.items()} == {"tiles": [name], "deposit": [name]}


@pytest.mark.parametrize("written", ["analysis/out/x.csv", "out/x.csv"])
def test_a_notebook_in_place_may_write_above_its_folder(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pattern of ``../out/x.csv`` begins at the repository's top, others in the notebook's folder."""
    text, dag = _nested_dag("table = 'out/x.csv'  # type: stage-out", monkeypatch)
    clone, run = tmp_path / "clone", tmp_path / "run"
    for folder in (clone / "analysis" / "out", clone / "out", run):
        folder.mkdir(parents=True)
    (clone / "analysis" / "out" / "x.csv").write_text("of an earlier run")
    _run_in_place(dag, clone, run, lambda: (clone / written).write_text("new"), monkeypatch)

    assert dag["task"].call_args.args[0]("folder", {})["outputs"] == {"table": str(run / "out" / "x.csv")}
    assert (run / "out" / "x.csv").read_text() == "new"
    file = tmp_path / "dag.py"
    file.write_text(text)
    words = [sys.executable, "-m", "ruff", "format", "--check", "--isolated", "--no-cache", str(file)]
    assert subprocess.run(words, check=False).returncode == 0


def test_an_empty_folder_of_the_same_name_hides_no_results_above_the_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, dag = _nested_dag("maps = 'out/'  # type: stage-out", monkeypatch)
    clone, run = tmp_path / "clone", tmp_path / "run"
    for folder in (clone / "analysis" / "out", clone / "out", run):
        folder.mkdir(parents=True)
    _run_in_place(dag, clone, run, lambda: (clone / "out" / "x.csv").write_text("new"), monkeypatch)

    dag["task"].call_args.args[0]("folder", {})
    assert (run / "out" / "x.csv").read_text() == "new"


def _nested_dag(cell: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, Any]]:
    """Return the text of a DAG whose notebook is in a folder of its repository, and what it defines."""
    context = context_of(cell)
    nested = replace(context, process=replace(context.process, path="analysis/a.ipynb"))
    text = next(text for name, text in airflow.emit(nested).items() if name.endswith("_notebook.py"))
    return text, _defined(text, monkeypatch)


def _run_in_place(
    dag: dict[str, Any], clone: Path, run: Path, write: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have the DAG's notebook write something."""
    dag.update(run_folder=lambda _: run, notebook_path=lambda: clone / "analysis" / "a.ipynb")
    dag["get_current_context"].return_value = {"params": {}, "dag_run": MagicMock(conf={})}

    def execute(*_: object, **__: object) -> None:
        _tick(run.parent)
        write()
        (run / "result.json").write_text('{"duration": 1}')
        (run / "scraps.json").write_text("{}")

    monkeypatch.setattr(papermill, "execute_notebook", execute)


def test_a_link_in_place_of_the_results_is_not_listed(run: Path, dag: dict[str, Any]) -> None:
    """It may lead to all files of the worker."""
    (run / "output").rename(run.parent / "elsewhere")
    (run / "output").symlink_to(run.parent / "elsewhere")
    listed: list[Path] = []
    dag["below"] = lambda folder: listed.append(folder) or []

    with pytest.raises(ValueError, match=r"leads out of the run.s folder"):
        dag["run_results"](run)

    assert not listed


def test_a_link_in_place_of_the_results_is_removed_alone(run: Path, dag: dict[str, Any]) -> None:
    (run / "linked").symlink_to(run / "output")

    dag["remove_folder"](run / "linked")

    assert not (run / "linked").is_symlink()
    assert (run / "output" / "made.csv").exists()
