"""Count words: run the notebook in place, with papermill.

Counts the words of a text, which is '''quoted''' and 'quoted' and has a back\\slash.

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
- `packmill_credentials`: secrets for addresses, as JSON, for packmill's stage-in, which
  needs `packmill[staging]`

The notebook runs in its own folder, as in Jupyter, so its runs take turns. The task returns
the executed notebook, the scraps and the outputs of the run for other tasks (XCom).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param, Variable, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

NOTEBOOK = "ada/trees/process.ipynb"
"""The notebook, in the repositories folder."""

OUTPUT = "process.ipynb"
"""The executed notebook, in the folder of a run."""

SCHEDULE = None
"""Such as "@daily"; then every Param needs a default, and must, scene, places have none."""

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
    "execution_timeout": timedelta(seconds=600),
}

HOME = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "packmill"

WHOLE = ["n", "whole", "level", "counts", "limit"]
"""Parameters that are integers; Airflow takes 3.0 for one."""

FILES = {
    "scene": {"class": "File", "as_text": True, "ending": ""},
    "tiles": {"class": "File", "as_text": False},
    "places": {"class": "Directory", "as_text": True, "ending": "/"},
    "mask": {"class": "File", "as_text": True, "ending": ""},
}
"""The shape of each file parameter in the notebook: an object, or the text of its path."""

STAGE_INS = {"scene": "File", "tiles": "File[]", "places": "Directory"}
"""Files that may be addresses, and the types that they are fetched as."""

OUTPUTS = {
    "picture": {"patterns": ["year.txt"], "many": False, "optional": False},
    "logs": {"patterns": ["*.log"], "many": True, "optional": False},
    "deposit": {
        "patterns": ["deposit"],
        "many": False,
        "optional": False,
        "place": "deposit/",
    },
}
"""What the notebook writes; the first pattern counts that a run wrote a file for."""

PARAMS = {
    "n": Param(
        3,
        type="integer",
        description="how many",
    ),
    "ratio": Param(
        0.5,
        type="number",
    ),
    "whole": Param(
        86,
        type="number",
    ),
    "text": Param(
        "it's {{ 7*7 }}",
        type="string",
        description='the "text"',
    ),
    "empty": Param(
        "",
        type=["null", "string"],
    ),
    "lines": Param(
        "a\nb",
        type="string",
        format="multiline",
    ),
    "flag": Param(
        True,
        type="boolean",
    ),
    "color": Param(
        "red",
        type="string",
        enum=["red", "green"],
    ),
    "level": Param(
        2,
        type="integer",
        enum=[1, 2, 3],
    ),
    "months": Param(
        ["jan", "feb"],
        type=["null", "array"],
        items={"type": "string"},
    ),
    "counts": Param(
        [1, 2, 3],
        type=["null", "array"],
        items={"type": "number"},
    ),
    "pick": Param(
        ["a"],
        type=["null", "array"],
        items={"type": "string", "enum": ["a", "b", "c"]},
        examples=["a", "b", "c"],
    ),
    "options": Param(
        {"a": 1, "b": [True, None]},
    ),
    "mixed": Param(
        [1, "a"],
        type=["null", "array"],
        items={"type": ["null", "string", "number", "boolean", "array", "object"]},
    ),
    "limit": Param(
        None,
        type=["null", "integer"],
    ),
    "anything": Param(
        None,
        type=["null", "string", "number", "boolean", "array", "object"],
    ),
    "ceiling": Param(
        None,
        type=["null", "string", "number", "boolean", "array", "object"],
    ),
    "must": Param(
        type="string",
    ),
    "scene": Param(
        type="string",
        description="path of a file in the data folder, or a URL",
    ),
    "tiles": Param(
        [],
        type=["null", "array"],
        items={"type": "string"},
        description="paths of files, one a line, in the data folder, or a URL",
    ),
    "places": Param(
        type="string",
        description="path of a folder in the data folder, or a URL",
    ),
    "mask": Param(
        None,
        type=["null", "string"],
        description="a file of the repository (path of a file in the data folder)",
    ),
}

EMPTIED = {
    "empty": "",
    "months": [],
    "counts": [],
    "pick": [],
    "mixed": [],
    "tiles": [],
}
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


def is_address(place: str) -> bool:
    """Whether stage-in fetches a place; all others are paths in the data folder."""
    schemes = ("https://", "http://", "s3://", "gs://", "abfs://", "ftp://", "sftp://")
    return place.startswith(schemes) and "::" not in place


def file_value(name: str, value: str | list[str], folder: Path) -> object:
    """Return paths and addresses of a parameter in the shape that the notebook expects."""
    is_list = isinstance(value, list)
    places = [place for place in value if place.strip()] if is_list else [value]
    if name in STAGE_INS and any(is_address(place) for place in places):
        objects = stage_in(name, places, folder)
    else:
        objects = [file_object(name, place) for place in places]
    if FILES[name]["as_text"]:
        objects = [one["path"] + FILES[name]["ending"] for one in objects]
    return objects if is_list else objects[0]


def file_object(name: str, path: str) -> dict:
    """Return CWL's object for a path in the data folder."""
    return {"class": FILES[name]["class"], "path": data_path(path)}


def remove_folder(folder: Path) -> None:
    """Remove a folder of an earlier try; shutil.rmtree calls itself for each level."""
    remove = ["rm", "-rf", "--", str(folder)]
    if subprocess.run(remove, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        subprocess.run(["chmod", "-R", "u+rwX", "--", str(folder)], check=False)
        subprocess.run(remove, check=False)


def stage_in(name: str, places: list[str], folder: Path) -> list[dict]:
    """Fetch the addresses among places with packmill's stage-in; return CWL's objects."""
    work = folder / "stage_in" / name
    remove_folder(work)
    work.mkdir(parents=True)
    request = {
        "name": name,
        "as_type": STAGE_INS[name],
        "input_path": [
            place if is_address(place) else file_object(name, place) for place in places
        ],
        "credentials": Variable.get("packmill_credentials", default=None),
    }
    inputs = work / "stage_in.json"  # stage-in empties it
    with open(os.open(inputs, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        json.dump(request, file)
    command = [sys.executable, "-m", "generator.runner", "stage-in"]
    subprocess.run([*command, "--inputs", inputs.name], cwd=work, check=True)
    outputs = json.loads((work / "cwl.output.json").read_text(encoding="utf-8"))
    kinds = {"File": "output_file", "File[]": "output_files"}
    kinds |= {"Directory": "output_directory", "Directory[]": "output_directories"}
    found = outputs[kinds[STAGE_INS[name]]]
    objects = found if isinstance(found, list) else [found]
    return [{**one, "path": str(work / one["path"])} for one in objects]


def remove_outputs(folder: Path) -> None:
    """Remove outputs of an earlier try that are folders: their files are not of this run."""
    for output in OUTPUTS.values():
        for pattern in output["patterns"]:
            for path in list(folder.glob(pattern)):
                if path != folder and path.is_dir():
                    remove_folder(path)


def collect_outputs(sources: list[Path], folder: Path, started: float) -> dict:
    """Copy the outputs of a run to its folder; return their paths by name."""
    outputs = {}
    for name, output in OUTPUTS.items():
        places = [folder] if "place" in output else sources
        place, found = find_files(places, output["patterns"], started)
        if not (found or output["many"] or output["optional"]):
            raise AirflowFailException(f"{name}: not written by the notebook")
        copies = [
            copy_file(path, folder / path.relative_to(place), started) for path in found
        ]
        outputs[name] = copies if output["many"] else next(iter(copies), None)
    return outputs


def find_files(
    places: list[Path], patterns: list[str], started: float
) -> tuple[Path, list[Path]]:
    """Return the files and folders of the first pattern that a run wrote one of, and their place.

    Files that the notebook writes above its folder, with `../`, are below the last place.
    """
    empty = []
    for place in places:
        for pattern in patterns:
            if pattern.startswith("**") and place != places[0]:
                continue  # it would find the files of all folders
            found = [path for path in place.glob(pattern) if is_new(path, started)]
            if any(not path.is_dir() or below(path) for path in found):
                return place, sorted(found)
            empty += [(place, sorted(found))] if found else []
    return empty[0] if empty else (places[0], [])


def below(folder: Path) -> list[Path]:
    """Return everything in a folder and its folders; Path.rglob calls itself for each."""
    found = list(folder.iterdir()) if folder.is_dir() else []
    for path in found:
        with suppress(PermissionError):
            if path.is_dir() and not path.is_symlink():
                found.extend(path.iterdir())
    return found


def is_new(path: Path, started: float) -> bool:
    """Whether a run wrote a file, or one in a folder, or left an empty folder."""
    files = below(path) if path.is_dir() else [path]
    return not files or any(is_written(file, started) for file in files)


def is_written(path: Path, started: float) -> bool:
    """Whether a run wrote a file or a link, also one that keeps an earlier time, as of an archive."""
    found = [path.lstat(), *([path.stat()] if path.exists() else [])]
    return any(max(one.st_mtime, one.st_ctime) >= started for one in found)


def copy_file(path: Path, target: Path, started: float) -> str:
    """Copy a file, or what a run wrote in a folder, and return where it is."""
    if path == target:
        return str(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        copy_folder(path, target, started)
    else:
        shutil.copy2(path, target)
    return str(target)


def copy_folder(folder: Path, target: Path, started: float) -> None:
    """Copy the files in a folder that a run wrote; files of earlier runs are not its results."""
    found = below(folder)  # a folder comes before its files
    written = {path for path in found if is_written(path, started)}
    for path in reversed(found):
        if path in written:
            written.add(path.parent)
    target.mkdir(exist_ok=True)
    for path in found:
        copy = target / path.relative_to(folder)
        if path not in written:
            continue
        if path.is_file():
            shutil.copy2(path, copy)
        elif path.is_dir() and not path.is_symlink():
            copy.mkdir(exist_ok=True)
        else:
            print(f"{path}: not copied: a link to a folder, or no file")


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
    remove_outputs(place)
    for name in FILES.keys() & values.keys():
        values[name] = file_value(name, values[name], place)
    for name, output in OUTPUTS.items():
        if "place" in output:  # a path of the author's machine, elsewhere
            values[name] = make_place(place, output["place"])
    started = time.time()
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
    sources = [notebook.parent]
    results["outputs"] = collect_outputs(sources, place, started)
    return for_tasks(results)


def make_place(folder: Path, name: str) -> str:
    """Return the path of an output in the folder of a run; make its folder."""
    path = folder / name
    (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
    return f"{path}/" if name.endswith("/") else str(path)


with DAG(
    dag_id="ada.trees.main.notebook",
    dag_display_name="Count words (notebook)",
    doc_md=__doc__,
    schedule=SCHEDULE,
    catchup=False,
    max_active_runs=1,  # runs share the notebook's folder
    params=PARAMS,
    default_args=DEFAULT_ARGS,
    tags=["packmill"],
) as dag:
    run_notebook(FOLDER, TEMPLATES)
