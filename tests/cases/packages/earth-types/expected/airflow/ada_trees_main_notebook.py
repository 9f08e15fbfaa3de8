"""process: run the notebook in place, with papermill.

Runs process.ipynb of <tmp>/ada/trees at commit 7f623c1036c95dec632b946e35be4ac1a5e2a75c.

To use this DAG (Airflow 3, tested with 3.3):

1. Install packmill, ipykernel and the notebook's own packages where Airflow's workers run.
   papermill then has the engine `packmill`; its provider is not needed.
2. Copy this file to Airflow's `dags` folder.
3. Clone the repository into the folder `ada/trees` of the repositories folder:
   `git clone <tmp>/ada/trees`, at main.

Airflow's Variables have the settings; the environment may have them too, such as
`AIRFLOW_VAR_PACKMILL_RESULTS`.

- `packmill_repositories`: folder of the clones (default:
  `$AIRFLOW_HOME/packmill/repositories`)
- `packmill_results`: folder for results (default: `$AIRFLOW_HOME/packmill/results`)
- `packmill_data`: folder of the files that a run may be given, which are named relative to
  it (default: `$AIRFLOW_HOME/packmill/data`)

The notebook runs in its own folder, as in Jupyter, so its runs take turns. The task returns
the executed notebook, the scraps and the outputs of the run for other tasks (XCom).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from airflow.sdk import DAG, Param, Variable, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

NOTEBOOK = "ada/trees/process.ipynb"
"""The notebook, in the repositories folder."""

OUTPUT = "process.ipynb"
"""The executed notebook, in the folder of a run."""

SCHEDULE = None
"""When the DAG runs by itself, such as "@daily"; None: only when it is triggered."""

FOLDER = (
    "{{ dag.dag_id }}/{{ logical_date | default(dag_run.run_after) | ds }}/"
    "{{ run_id | replace(':', '') | replace('+', '_') | replace('.', '_') }}"
)
"""Folder of a run below the results folder; a run without a logical date has that of its start."""

TEMPLATES: dict[str, str] = {}
"""Parameters that a run has from a template unless it is given a value, such as
{"date": "{{ logical_date | default(dag_run.run_after) | ds }}"}; the trigger form gives all values."""

DEFAULT_ARGS = {
    "retries": 0,
    "execution_timeout": None,  # such as datetime.timedelta(hours=2)
}

HOME = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "packmill"

WHOLE = ["n"]
"""Parameters that are integers; Airflow takes 3.0 for one."""

FILES = {"file": {"class": "File", "as_text": True, "ending": ""}}
"""The shape of each file parameter in the notebook: an object, or the text of its path."""

PARAMS = {
    "start": Param(
        None,
        type=["null", "string"],
        format="date",
        description="first day\nFrom 2015-06-23 to today.\nDefault: today-5d, when the run starts (UTC).",
    ),
    "end": Param(
        "2020-01-31",
        type="string",
        format="date",
    ),
    "when": Param(
        "2020-01-31T12:00:00Z",
        type="string",
        format="date-time",
    ),
    "stamp": Param(
        "2020-01-31T12:00:00Z",
        type="string",
        format="date-time",
    ),
    "n": Param(
        3,
        type="integer",
        minimum=1,
        maximum=10,
        description="From 1 to 10 K.",
    ),
    "speed": Param(
        2.5,
        type="number",
        exclusiveMinimum=0,
        description="of the wind\nAbove 0 m s-1.",
    ),
    "area": Param(
        [-10.5, 36, -6, 42.2],
        type=["null", "array"],
        minItems=4,
        maxItems=6,
        items={"type": "number"},
    ),
    "aoi": Param(
        {
            "type": "Feature",
            "id": "f1",
            "geometry": {"type": "Point", "coordinates": [-9.1, 38.7]},
            "properties": {},
        },
        type="object",
    ),
    "text": Param(
        '{"type": "Point", "coordinates": [-9.1, 38.7]}',
        type="string",
    ),
    "file": Param(
        None,
        type=["null", "string"],
        description="path of a file in the data folder",
    ),
    "days": Param(
        ["2020-01-01"],
        type=["null", "array"],
        items={"type": "string"},
    ),
    "name": Param(
        "abc",
        type="string",
        minLength=1,
        maxLength=5,
        description="Of 1 to 5 characters.",
    ),
}

EMPTIED = {"area": [], "days": []}
"""The value of a field that is empty in the trigger form, which sends null."""


def run_folder(folder: str) -> Path:
    """Return the folder of a run, and make it."""
    results = Path(Variable.get("packmill_results", default=str(HOME / "results")))
    path = results.resolve() / folder
    path.mkdir(parents=True, exist_ok=True)
    return path


def notebook_path() -> Path:
    """Return the notebook's path."""
    folder = Variable.get("packmill_repositories", default=str(HOME / "repositories"))
    path = Path(folder).resolve() / NOTEBOOK
    if not path.exists():
        raise AirflowFailException(f"{path}: not found; clone the repository there")
    return path


def given_values(params: dict) -> dict:
    """Return the values for the notebook, which has its own defaults for the others."""
    if unknown := params.keys() - PARAMS.keys():
        raise AirflowFailException(f"no such parameters: {', '.join(sorted(unknown))}")
    values = dict(params)
    for name, value in EMPTIED.items():
        if values[name] is None:
            values[name] = value
    for name in WHOLE:
        values[name] = whole_number(values[name])
    return {name: value for name, value in values.items() if value is not None}


def whole_number(value: object) -> object:
    """Return 3 for 3.0, also in lists."""
    if isinstance(value, list):
        return [whole_number(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def data_folder() -> Path:
    """Return the folder that holds the files which users may give to a run."""
    folder = Path(Variable.get("packmill_data", default=str(HOME / "data")))
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def data_path(path: str) -> str:
    """Return a path in the data folder; users of the trigger form may name no other."""
    folder = data_folder()
    found = (folder / path).resolve()
    if not found.is_relative_to(folder) or not found.exists():
        raise AirflowFailException(f"{path}: not found in the data folder {folder}")
    return str(found)


def file_value(name: str, value: str | list[str], folder: Path) -> object:
    """Return paths and addresses of a parameter in the shape that the notebook expects."""
    is_list = isinstance(value, list)
    places = [place for place in value if place.strip()] if is_list else [value]
    objects = [file_object(name, place) for place in places]
    if FILES[name]["as_text"]:
        objects = [one["path"] + FILES[name]["ending"] for one in objects]
    return objects if is_list else objects[0]


def file_object(name: str, path: str) -> dict:
    """Return CWL's object for a path in the data folder."""
    return {"class": FILES[name]["class"], "path": data_path(path)}


def for_tasks(results: dict) -> dict:
    """Return the results that other tasks get as they are (XCom).

    Airflow takes a value with keys such as "__type" for an object of one of its classes.
    """
    kept = {name: value for name, value in results.items() if is_plain(value)}
    for name in results.keys() - kept.keys():
        print(f"{name}: not returned, since a key in it begins with two underscores")
    return kept


def is_plain(value: object) -> bool:
    """Whether no key in a value begins with two underscores."""
    waiting = [value]
    for one in waiting:
        if isinstance(one, dict):
            if any(key.startswith("__") for key in one):
                return False
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return True


def without_fields(path: Path) -> str:
    """Return a path in which papermill fills in no parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


@task
def run_notebook(folder: str, templates: dict[str, str]) -> dict:
    """Run the notebook; return its results. The log has what its cells print."""
    import papermill

    context = get_current_context()
    given = context["dag_run"].conf or {}
    place, notebook = run_folder(folder), notebook_path()
    values = given_values(
        {
            **context["params"],
            **{name: text for name, text in templates.items() if name not in given},
        }
    )
    for name in FILES.keys() & values.keys():
        values[name] = file_value(name, values[name], place)
    papermill.execute_notebook(
        without_fields(notebook),
        without_fields(place / OUTPUT),
        parameters=values,
        engine_name="packmill",
        cwd=str(notebook.parent),
        results=str(place),
        progress_bar=False,
        log_output=True,
    )
    result = json.loads((place / "result.json").read_text(encoding="utf-8"))
    results = {
        "folder": str(place),
        "notebook": str(place / OUTPUT),
        "duration": result["duration"],
    }
    scraps = place / "scraps.json"
    if scraps.stat().st_size <= 64 * 1024:  # larger ones stay in the file
        results["scraps"] = json.loads(scraps.read_text(encoding="utf-8"))
    return for_tasks(results)


with DAG(
    dag_id="ada.trees.main.notebook",
    dag_display_name="process (notebook)",
    doc_md=__doc__,
    schedule=SCHEDULE,
    catchup=False,
    max_active_runs=1,  # runs share the notebook's folder
    params=PARAMS,
    default_args=DEFAULT_ARGS,
    tags=["packmill"],
) as dag:
    run_notebook(FOLDER, TEMPLATES)
