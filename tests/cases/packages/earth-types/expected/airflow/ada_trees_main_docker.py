"""process: run in a container.

Runs process.ipynb of <tmp>/ada/trees at commit 7f623c1036c95dec632b946e35be4ac1a5e2a75c.

To use this DAG (Airflow 3, tested with 3.3):

1. Install `apache-airflow-providers-docker` where Airflow's workers run.
2. Copy this file to Airflow's `dags` folder.
3. Give the workers a Docker engine (`DOCKER_HOST`) that has or can pull
   `ada.trees:main-7f623c1036c9-0123456789abcdef`.
   `DOCKER_CONN_ID` names the Docker connection of a private registry.

Airflow's Variables have the settings; the environment may have them too, such as
`AIRFLOW_VAR_PACKMILL_RESULTS`. Workers and engine need the same folders at the same paths.

- `packmill_results`: folder for results (default: `$AIRFLOW_HOME/packmill/results`)
- `packmill_data`: folder of the files that a run may be given, which are named relative to
  it (default: `$AIRFLOW_HOME/packmill/data`)

A run fails with the exit code of `packmill-runner`; the log has the reason. Otherwise the
task `run` returns its folder, scraps and outputs for other tasks (XCom).
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path

from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import DAG, Param, Variable, literal
from airflow.sdk.exceptions import AirflowFailException
from docker.errors import NotFound
from docker.types import Mount

IMAGE = "ada.trees:main-7f623c1036c9-0123456789abcdef"
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
]
DOCKER_CONN_ID = None
FOLDER_LABEL = "packmill.airflow-folder"
"""Label of containers: the folder that they write to."""

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

CONTAINER_ARGS = {
    "docker_conn_id": DOCKER_CONN_ID,
    "auto_remove": "force",
    "mount_tmp_dir": False,
    "user": f"{os.getuid()}:{os.getgid()}",  # of the worker, so that results are its own
    "working_dir": "/work",
}

OUTPUTS = []

FILES = {"file": "File"}

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
            values[name] = file_objects(values[name], FILES[name])
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


with DAG(
    dag_id="ada.trees.main.docker",
    dag_display_name="process (docker)",
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
        network_mode="none",
        skip_on_exit_code=None,  # such as [11]: the notebook glued a statusCode of 400 or more
    )
