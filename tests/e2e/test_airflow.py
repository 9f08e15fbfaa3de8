"""Generated DAGs in a real Airflow: imported, triggered by its API and its form, and run by ``airflow dags test``."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from airflow_server import Airflow, Run
from local_images import remove
from playwright.sync_api import Locator, sync_playwright
from staging_servers import http_server
from support import cases, commit_all, copy_case

from generator.cli import main

pytestmark = pytest.mark.slow
_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_NOTEBOOK = "ada.trees.main.notebook"
_DOCKER = "ada.trees.main.docker"
_TEMPLATES = "TEMPLATES: dict[str, str]"
_TEXT = 'it\'s {{ 7*7 }} "q" {a} ${b} %s \\n é 漢 😀'
_GIVEN = {
    "n": 4.0,
    "ratio": 1,
    "whole": 5.0,
    "text": _TEXT,
    "empty": None,
    "lines": "x\ny",
    "flag": False,
    "color": "green",
    "level": 3,
    "months": None,
    "counts": [1.0, 2],
    "pick": ["b", "c"],
    "options": {"{{ a }}": None},
    "mixed": ["2", 2],
    "limit": 7,
    "anything": "3",
    "must": "0012",
    "scene": "scene.csv",
    "tiles": ["tiles/a.csv"],
    "places": "tiles",
}
_EXPECTED = _GIVEN | {"n": 4, "whole": 5, "empty": "", "months": [], "counts": [1, 2]}
_TYPES = {"n": "int", "ratio": "int", "whole": "int", "flag": "bool", "level": "int", "counts": "list", "must": "str"}
_NEEDED = {"must": "x", "scene": "scene.csv", "places": "tiles"}
_FOREIGN = [
    "/etc/passwd",
    "../results",
    "link/passwd",
    "file:///etc/passwd",
    "local:///etc/passwd",
    "zip://a::file:///etc",
]
_OUTPUTS = {"picture": "a picture", "logs": ["a log"], "deposit": "x.txt"}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Airflow with the DAGs of the case "airflow", a clone of its repository, and files for its runs."""
    folder = tmp_path_factory.mktemp("airflow")
    running = Airflow(folder / "home")
    repository = copy_case(cases / "packages" / "airflow", running.files / "repositories" / "ada" / "trees")
    commit_all(repository)
    options = (cases / "packages" / "airflow" / "options").read_text().split()
    assert main(["build", str(repository), "--no-image", "--output", str(folder / "packages"), *options]) == 0
    running.add((folder / "packages").rglob("airflow/*.py"))
    data = running.files / "data"
    (data / "tiles").mkdir(parents=True)
    (data / "scene.csv").write_text("a scene")
    (data / "link").symlink_to("/etc")
    (data / "tiles" / "a.csv").write_text("a tile")
    try:
        yield running.start()
    finally:
        running.stop()


def test_every_dag_is_imported(airflow: Airflow) -> None:
    assert airflow.get("importErrors")["import_errors"] == []
    assert {dag["dag_id"] for dag in airflow.get("dags")["dags"]} == {
        "ada.trees.main.docker",
        "ada.trees.main.notebook",
        "ada.trees.main.run.docker",
        "ada.trees.main.deep-secret.docker",
    }


def test_a_trigger_without_a_logical_date_runs_the_notebook(airflow: Airflow) -> None:
    with http_server() as server:
        address = server.put("/b.csv", b"from afar")
        run = airflow.trigger(_NOTEBOOK, **_GIVEN | {"tiles": ["tiles/a.csv", address]})

        assert run.end() == "success", run.log("run_notebook")
    results = run.result("run_notebook")
    scraps, data = results["scraps"], airflow.files / "data"
    assert [(tile["class"], tile.get("url")) for tile in scraps["values"].pop("tiles")] == [
        ("File", None),
        ("File", address),
    ]
    assert scraps["values"] | {"tiles": _GIVEN["tiles"]} == _EXPECTED | {
        "scene": str(data / "scene.csv"),
        "places": f"{data / 'tiles'}/",
        "mask": "own.txt",
    }
    assert {name: scraps["types"][name] for name in _TYPES} == _TYPES
    assert (scraps["scene"], scraps["tiles"], scraps["places"]) == ("a scene", ["a tile", "from afar"], ["a.csv"])
    folder = Path(results["folder"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", folder.parent.name)
    assert folder.is_relative_to(airflow.files / "results" / _NOTEBOOK)
    assert {name: _text(path) for name, path in results["outputs"].items()} == _OUTPUTS
    assert json.loads((folder / "result.json").read_text())["state"] == "succeeded"
    executed = json.loads(Path(results["notebook"]).read_text())
    assert "counts = [1, 2]\n" in executed["cells"][1]["source"]
    assert executed["metadata"]["papermill"]["parameters"]["text"] == _TEXT
    assert "printed by a cell" in run.log("run_notebook")


def _text(path: Any) -> Any:
    if isinstance(path, list):
        return [_text(one) for one in path]
    return next(Path(path).iterdir()).name if Path(path).is_dir() else Path(path).read_text()


def test_a_failed_cell_fails_the_task(airflow: Airflow) -> None:
    run = airflow.trigger(_NOTEBOOK, **_NEEDED, n=13)

    assert run.end() == "failed"
    assert "ZeroDivisionError" in run.log("run_notebook")
    found = [json.loads(file.read_text()) for file in (airflow.files / "results" / _NOTEBOOK).rglob("result.json")]
    assert "cell 3 failed: ZeroDivisionError: division by zero" in [one["error"] for one in found]


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({}, "Invalid input for param must"),
        ({"n": "3"}, "'3' is not of type 'integer'"),
        ({"color": "blue"}, "'blue' is not one of ['red', 'green']"),
        ({"months": [1]}, "1 is not of type 'string'"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_airflow_refuses_what_the_interface_refuses(airflow: Airflow, conf: dict[str, Any], message: str) -> None:
    given = _NEEDED if conf else {}
    answer = airflow.ask("POST", f"dags/{_NOTEBOOK}/dagRuns", json={"logical_date": None, "conf": given | conf})

    assert answer.status_code == 400
    assert message in answer.json()["detail"]


def test_dags_test_runs_a_notebook_with_the_date_of_its_run(airflow: Airflow) -> None:
    """The user of the file has set a template for a parameter."""
    dags = airflow.home / "dags"
    text = (dags / "ada_trees_main_notebook.py").read_text().replace(_NOTEBOOK, "dated")
    template = "day {{ logical_date | default(dag_run.run_after) | ds }}"
    (dags / "dated.py").write_text(text.replace(f"{_TEMPLATES} = {{}}", f'{_TEMPLATES} = {{"text": "{template}"}}'))

    done = airflow.test("dated", "dated.py", _NEEDED)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "printed by a cell" in done.stdout + done.stderr
    (scraps,) = (airflow.files / "results" / "dated").rglob("scraps.json")
    assert json.loads(scraps.read_text())["values"]["text"] == f"day {scraps.parent.parent.name}"


def test_users_name_files_of_the_data_folder_alone(airflow: Airflow) -> None:
    """A trigger's files and addresses, and what a container leaves, never lead to other files of the worker."""
    done = airflow.python(f"""
import runpy
from pathlib import Path
for kind in ("docker", "notebook"):
    dag = runpy.run_path({str(airflow.home / "dags")!r} + f"/ada_trees_main_{{kind}}.py")
    if kind == "docker":
        top = Path({str(airflow.files / "data")!r})
        try:
            print("taken:", dag["read_json"](top / "link" / "passwd", top))
        except ValueError as error:
            assert "leads out of the run's folder" in str(error), error
    assert dag["data_path"]("tiles/../scene.csv") == {str(airflow.files / "data" / "scene.csv")!r}
    assert dag["is_address"]("https://example.org/a.csv")
    for place in {_FOREIGN!r}:
        assert not dag["is_address"](place), place
        try:
            print("taken:", place, dag["data_path"](place))
        except dag["AirflowFailException"] as error:
            assert "not found in the data folder" in str(error), error
""")

    assert done.returncode == 0, done.stderr
    assert "taken:" not in done.stdout


@pytest.mark.skipif(_CHROMIUM is None, reason="no Chromium is installed")
def test_the_form_has_a_field_for_every_type(airflow: Airflow) -> None:
    fields = dict.fromkeys(("n", "ratio", "whole", "limit"), "input decimal")
    fields |= dict.fromkeys(("text", "empty", "must", "scene", "places", "mask"), "input text")
    fields |= dict.fromkeys(("lines", "months", "tiles", "mixed", "anything"), "textarea")
    fields |= {"flag": "input checkbox", "color": "select", "level": "select", "pick": "select"}
    fields |= {"counts": "editor", "options": "editor", "mixed": "editor"}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1100, "height": 2400})
        page.goto(f"{airflow.url}/dags/{_NOTEBOOK}")
        page.get_by_role("button", name="Trigger").first.click()
        form = page.locator("[role=dialog][aria-modal=true]")
        for name in ("must", "scene", "places"):
            form.locator(f"[name=element_{name}]").fill("a {{ b }}")
        form.locator("[name=element_months]").fill("")
        shown = {name: _field(form, name) for name in fields}
        page.route("**/dagRuns", lambda route: route.abort())
        with page.expect_request("**/dagRuns") as sent:
            form.get_by_test_id("trigger-dag-submit").click()
        conf = sent.value.post_data_json["conf"]
        browser.close()
    assert shown == fields
    defaults = {
        "n": 3, "ratio": 0.5, "whole": 86, "text": "it's {{ 7*7 }}", "empty": "", "lines": "a\nb", "flag": True,
        "color": "red", "level": 2, "months": None, "counts": [1, 2, 3], "pick": ["a"],
        "options": {"a": 1, "b": [True, None]}, "mixed": [1, "a"], "limit": None, "anything": None, "ceiling": None,
        "tiles": [], "mask": None,
    }  # fmt: skip
    assert conf == defaults | dict.fromkeys(("must", "scene", "places"), "a {{ b }}")


def _field(form: Locator, name: str) -> str:
    """Return the kind of a field."""
    found = form.locator(f"[name=element_{name}], #element_{name}").first
    kind = found.evaluate(
        "one => one.inputMode ? `input ${one.inputMode}` : one.type ? `${one.localName} ${one.type}` : ''"
    )
    if kind:
        return str(kind).replace("textarea textarea", "textarea")
    return "editor" if found.locator(".cm-editor, .monaco-editor").count() else "select"


@pytest.fixture(scope="module")
def images(airflow: Airflow, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Airflow with the images that its DAGs name."""
    repository = airflow.files / "repositories" / "ada" / "trees"
    output = tmp_path_factory.mktemp("images")
    options = (cases / "packages" / "airflow" / "options").read_text().split()
    assert main(["build", str(repository), "--output", str(output), *options]) == 0
    built = {path.name: path.read_text() for path in output.rglob("airflow/*.py")}
    assert built == {name: (airflow.home / "dags" / name).read_text() for name in built}
    yield airflow
    remove(json.loads((output / "ada/trees/main/package.json").read_text())["image"]["reference"])


@pytest.fixture(scope="module")
def runs(images: Airflow) -> Iterator[dict[str, Run]]:
    """Runs of all DAGs with images, which take place at the same time."""
    with http_server(_bridge_address()) as server:
        tiles = ["scene.csv", server.put("/a.csv", b"from afar")]
        yield {
            "notebook": images.trigger(_DOCKER, **_GIVEN | {"tiles": tiles}),
            "failing": images.trigger(_DOCKER, **_NEEDED, n=13),
            "script": images.trigger("ada.trees.main.run.docker", word="{{ 7*7 }}.sh", n=3.0),
            "secret": images.trigger("ada.trees.main.deep-secret.docker"),
        }


def _bridge_address() -> str:
    """Return the address of this machine on Docker's default network.

    Docker does not state it where the bridge was there before the engine; it is the first one of the subnet.
    """
    words = ["network", "inspect", "bridge", "--format", "{{json (index .IPAM.Config 0)}}"]
    found = json.loads(subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout)
    return str(found.get("Gateway") or ip_network(found["Subnet"])[1])


@pytest.mark.engine
def test_a_trigger_runs_the_image(runs: dict[str, Run]) -> None:
    run = runs["notebook"]

    assert run.end() == "success", run.report()
    assert run.states() == {"stage_in": "success", "run": "success"}
    results = run.result("run")
    scraps, outputs = results["scraps"], results["outputs"]
    files = {"scene", "tiles", "places"}
    assert {name: scraps["values"][name] for name in _EXPECTED if name not in files} == {
        name: value for name, value in _EXPECTED.items() if name not in files
    }
    assert {name: scraps["types"][name] for name in _TYPES} == _TYPES
    assert (scraps["scene"], scraps["places"], scraps["mask"]) == ("a scene", ["a.csv"], "own\n")
    assert scraps["tiles"] == ["a scene", "from afar"]
    assert {name: _text(path) for name, path in outputs.items()} == _OUTPUTS
    folder = Path(results["folder"]).parent
    assert {path.stat().st_uid for path in folder.rglob("*")} == {os.getuid()}
    assert not (folder / "inputs.json").exists()
    assert json.loads(Path(results["notebook"]).read_text())["metadata"]["papermill"]["parameters"]["text"] == _TEXT
    assert "printed by a cell" in run.log("run")


@pytest.mark.engine
def test_a_script_gets_its_values_as_they_are(runs: dict[str, Run]) -> None:
    run = runs["script"]

    assert run.end() == "success", run.report()
    results = run.result("run")
    assert json.loads(Path(results["outputs"]["out"]).read_text()) == {"word": "{{ 7*7 }}.sh", "n": 3}


@pytest.mark.engine
def test_a_secret_comes_from_a_variable(runs: dict[str, Run]) -> None:
    run = runs["secret"]

    assert run.end() == "success", run.report()
    folder = Path(run.result("run")["folder"]).parent
    assert json.loads((folder / "output" / "secret.ipynb").read_text())["cells"][-1]["outputs"][0]["text"] == ["9\n"]
    assert [path for path in folder.rglob("*") if path.is_file() and b"hush-hush" in path.read_bytes()] == []
    assert "hush-hush" not in run.log("run")


@pytest.mark.engine
def test_a_failed_cell_fails_the_container_s_task(runs: dict[str, Run]) -> None:
    run = runs["failing"]

    assert run.end() == "failed"
    assert run.states() == {"stage_in": "skipped", "run": "failed"}
    log = run.log("run")
    assert "cell 3 failed: ZeroDivisionError: division by zero" in log
    assert "'StatusCode': 1" in log


@pytest.mark.engine
def test_no_container_is_left(runs: dict[str, Run]) -> None:
    for run in runs.values():
        run.end()

    words = ["docker", "ps", "--all", "--quiet", "--filter", "ancestor=ada.trees"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == ""


@pytest.mark.engine
def test_dags_test_runs_the_image(images: Airflow) -> None:
    done = images.test("ada.trees.main.run.docker", "ada_trees_main_run_docker.py", {"n": 5})

    assert done.returncode == 0, done.stdout + done.stderr
    found = [json.loads(file.read_text()) for file in (images.files / "results").rglob("values.json")]
    assert {"word": "it's {{ 1 }}", "n": 5} in found
