"""Count words: run in a container.

Counts the words of a text, which is '''quoted''' and 'quoted' and has a back\\slash.

To use this DAG (Airflow 3, tested with 3.3):

1. Install `apache-airflow-providers-docker` where Airflow's workers run.
2. Copy this file to Airflow's `dags` folder.
3. Give the workers a Docker engine (`DOCKER_HOST`) that has or can pull
   `ada.trees:main-7ff3e48c371b-0123456789abcdef`.
   Addresses are fetched in `localhost/packmill/staging:0-000000000000`.
   `DOCKER_CONN_ID` names the Docker connection of a private registry.

Airflow's Variables have the settings; the environment may have them too, such as
`AIRFLOW_VAR_PACKMILL_RESULTS`. Workers and engine need the same folders at the same paths.

- `packmill_results`: folder for results (default: `$AIRFLOW_HOME/packmill/results`)
- `packmill_data`: folder of the files that a run may be given, which are named relative to
  it (default: `$AIRFLOW_HOME/packmill/data`)
- `packmill_credentials`: secrets for addresses, as JSON, for packmill's stage-in

A run fails with the exit code of `packmill-runner`; the log has the reason. Otherwise the
task `run` returns its folder, scraps and outputs for other tasks (XCom).
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import DAG, Param, Variable, literal
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from docker.errors import NotFound
from docker.types import Mount

IMAGE = "ada.trees:main-7ff3e48c371b-0123456789abcdef"
COMMAND = [
    "packmill-runner",
    "run",
    "--progress-bar",
    "--log-output",
    "--process",
    "process.ipynb",
    "--kernel",
    "python3",
    "--inputs",
    "inputs.json",
    "--output",
    "output",
    "--expect",
    "picture=year.txt",
    "--expect",
    "deposit=deposit",
]
STAGE_IN_IMAGE = "localhost/packmill/staging:0-000000000000"
STAGE_IN_COMMAND = [
    "/opt/packmill/bin/packmill-runner",
    "stage-in",
    "--inputs",
    "stage_in.json",
]
DOCKER_CONN_ID = None
FOLDER_LABEL = "packmill.airflow-folder"
"""Label of containers: the folder that they write to."""

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

CONTAINER_ARGS = {
    "docker_conn_id": DOCKER_CONN_ID,
    "auto_remove": "force",
    "mount_tmp_dir": False,
    "user": f"{os.getuid()}:{os.getgid()}",  # of the worker, so that results are its own
    "working_dir": "/work",
}

OUTPUTS = ["picture", "logs", "deposit"]

FILES = {"scene": "File", "tiles": "File", "places": "Directory", "mask": "File"}
STAGE_INS = {"scene": "File", "tiles": "File[]", "places": "Directory"}
"""Files that may be addresses, and the types that they are fetched as."""

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
    """Return the folder of a run."""
    results = Path(Variable.get("packmill_results", default=str(HOME / "results")))
    return results.resolve() / folder


def write_json(path: Path, value: object) -> None:
    """Write a file that only the worker's user can read."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(value, file)


def inside(path: Path, folder: Path) -> Path:
    """Return a path that a container left or named; it must not lead out of its folder."""
    if not path.resolve().is_relative_to(folder):
        raise ValueError(f"{path}: leads out of the run's folder")
    return path


def read_json(path: Path, top: Path) -> dict:
    """Read a file that a container wrote."""
    if not inside(path, top).is_file() or path.stat().st_size > 64 * 1024**2:
        raise ValueError(f"{path}: not a file, or too large")
    return json.loads(path.read_text(encoding="utf-8"))


def remove_folder(folder: Path) -> None:
    """Remove a folder of an earlier try; shutil.rmtree calls itself for each level."""
    remove = ["rm", "-rf", "--", str(folder)]
    if subprocess.run(remove, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        subprocess.run(["chmod", "-R", "u+rwX", "--", str(folder)], check=False)
        subprocess.run(remove, check=False)


def below(folder: Path) -> list[Path]:
    """Return everything in a folder and its folders; Path.rglob calls itself for each."""
    found = list(folder.iterdir()) if folder.is_dir() else []
    for path in found:
        with suppress(PermissionError):
            if path.is_dir() and not path.is_symlink():
                found.extend(path.iterdir())
    return found


def given_values(context, templates: dict[str, str]) -> dict:
    """Return the values for the process, which has its own defaults for the others."""
    given = context["dag_run"].conf or {}
    values = dict(context["params"])
    values |= {name: text for name, text in templates.items() if name not in given}
    for name, value in EMPTIED.items():
        if values[name] is None:
            values[name] = value
    return {name: value for name, value in values.items() if value is not None}


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


def file_objects(value: str | list[str], kind: str) -> dict | list[dict]:
    """Return CWL's objects for paths in the data folder."""
    if isinstance(value, list):
        return [file_objects(path, kind) for path in value if path.strip()]
    return {"class": kind, "path": data_path(value)}


class RunOperator(DockerOperator):
    """Run the process in its image, in the folder of a run."""

    template_fields = (*DockerOperator.template_fields, "folder", "templates")

    def __init__(self, *, folder: str, templates: dict[str, str], **kwargs) -> None:
        super().__init__(**kwargs)
        self.folder = folder
        self.templates = templates

    def execute(self, context) -> dict:
        """Run the container; return the folder, scraps and outputs of the run."""
        folder = run_folder(self.folder)
        self.remove_earlier(folder)
        remove_folder(folder / "output")
        folder.mkdir(parents=True, exist_ok=True)
        self.mounts = [Mount("/work", str(folder), type="bind")]
        data = str(data_folder())
        self.mounts.append(Mount(data, data, type="bind", read_only=True))
        values = given_values(context, self.templates)
        for name in FILES.keys() & values.keys():
            values[name] = staged_files(name, values[name], folder) or file_objects(
                values[name], FILES[name]
            )
        write_json(folder / "inputs.json", values)
        try:
            super().execute(context)
        finally:
            (folder / "inputs.json").unlink(missing_ok=True)
        return run_results(folder)

    def remove_earlier(self, folder: Path) -> None:
        """Remove the container of an earlier try, which goes on if its task was killed."""
        self.labels = {FOLDER_LABEL: str(folder)}
        filters = {"label": f"{FOLDER_LABEL}={folder}"}
        for container in self.cli.containers(all=True, filters=filters):
            with suppress(NotFound):  # it ended meanwhile
                self.cli.remove_container(container["Id"], force=True)


def run_results(folder: Path) -> dict:
    """Return the results of a run: its scraps, and the paths of its outputs by name."""
    output = inside(folder / "output", folder)  # a link may lead anywhere
    for path in below(output):
        if path.is_symlink() and path.exists():
            inside(path, folder)
    result = read_json(output / "result.json", folder)
    results = {"folder": str(output), "duration": result["duration"]}
    scraps = output / "scraps.json"
    if scraps.stat().st_size <= 64 * 1024:  # larger ones stay in the file
        results["scraps"] = read_json(scraps, folder)
    objects = read_json(folder / "cwl.output.json", folder)
    results["notebook"] = paths(objects["output_nb"], folder)
    results["outputs"] = {name: paths(objects[name], folder) for name in OUTPUTS}
    return for_tasks(results)


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


def paths(value: dict | list | None, folder: Path) -> str | list | None:
    """Return the path of a CWL object, or the paths of a list of them."""
    if isinstance(value, list):
        return [paths(item, folder) for item in value]
    return str(inside(folder / value["path"], folder)) if value else None


class StageInOperator(RunOperator):
    """Fetch the addresses that file parameters were given; skip if there are none."""

    def execute(self, context) -> None:
        """Run packmill's stage-in for each parameter with addresses."""
        values = given_values(context, self.templates)
        places = {name: values[name] for name in STAGE_INS.keys() & values.keys()}
        listed = {name: [v] if isinstance(v, str) else v for name, v in places.items()}
        remote = {name for name in listed if any(map(is_address, listed[name]))}
        if not remote:
            raise AirflowSkipException("no addresses were given")
        for name in sorted(remote):
            self.fetch(name, listed[name], context)

    def fetch(self, name: str, places: list[str], context) -> None:
        """Run the container for one parameter; it gets its request as a file."""
        top = run_folder(self.folder) / "stage_in"
        if top.is_symlink():  # the container of an earlier try left it
            top.unlink()
        folder = top / name
        self.remove_earlier(folder)
        remove_folder(folder)
        folder.mkdir(parents=True)
        data = str(data_folder())
        self.mounts = [
            Mount("/work", str(folder), type="bind"),
            Mount(data, data, type="bind", read_only=True),
        ]
        request = {
            "name": name,
            "as_type": STAGE_INS[name],
            "input_path": [
                place if is_address(place) else file_objects(place, FILES[name])
                for place in places
                if place.strip()
            ],
            "credentials": Variable.get("packmill_credentials", default=None),
        }
        write_json(folder / "stage_in.json", request)
        try:
            DockerOperator.execute(self, context)
        finally:
            (folder / "stage_in.json").unlink(missing_ok=True)
        write_json(folder / "stage_in.json", {"fetched": digest(places)})


def digest(places: list[str]) -> str:
    """Return a digest of addresses, which may have passwords or signatures."""
    return sha256(json.dumps(places).encode()).hexdigest()


def staged_files(
    name: str, value: str | list[str], folder: Path
) -> dict | list[dict] | None:
    """Return the files that stage-in fetched for a parameter, as the process sees them."""
    places = [value] if isinstance(value, str) else value
    if name not in STAGE_INS or not any(map(is_address, places)):
        return None
    place = f"stage_in/{name}"
    note = folder / place / "stage_in.json"
    if not note.exists() or read_json(note, folder).get("fetched") != digest(places):
        raise AirflowFailException(
            f"{name}: its addresses are not those that the task stage_in fetched; clear both tasks"
        )
    kinds = {"File": "output_file", "File[]": "output_files"}
    kinds |= {"Directory": "output_directory", "Directory[]": "output_directories"}
    report = folder / place / "cwl.output.json"
    objects = read_json(report, folder)[kinds[STAGE_INS[name]]]
    if isinstance(objects, list):
        return [{**one, "path": f"{place}/{one['path']}"} for one in objects]
    return {**objects, "path": f"{place}/{objects['path']}"}


with DAG(
    dag_id="ada.trees.main.docker",
    dag_display_name="Count words (docker)",
    doc_md=__doc__,
    schedule=SCHEDULE,
    catchup=False,
    params=PARAMS,
    default_args=DEFAULT_ARGS | CONTAINER_ARGS,
    tags=["packmill"],
) as dag:
    run = RunOperator(
        task_id="run",
        folder=FOLDER,
        templates=TEMPLATES,
        image=literal(IMAGE),
        command=literal(COMMAND),  # neither templates nor names of template files
        cpus=2,
        skip_on_exit_code=None,  # such as [11]: the notebook glued a statusCode of 400 or more
        trigger_rule="none_failed",
    )
    stage_in = StageInOperator(
        task_id="stage_in",
        folder=FOLDER,
        templates=TEMPLATES,
        image=literal(STAGE_IN_IMAGE),
        command=literal(STAGE_IN_COMMAND),
    )
    stage_in >> run
