"""Count words: run in a container.

Counts the words of a text, which is '''quoted''' and 'quoted' and has a back\\slash.

To use this DAG (Airflow 3, tested with 3.3):

1. Install `apache-airflow-providers-docker` where Airflow's workers run.
2. Copy this file to Airflow's `dags` folder.
3. Give the workers a Docker engine (`DOCKER_HOST`) that has or can pull
   `ada.trees:main-7ff3e48c371b-0123456789abcdef`.
   `DOCKER_CONN_ID` names the Docker connection of a private registry.

Airflow's Variables have the settings; the environment may have them too, such as
`AIRFLOW_VAR_PACKMILL_RESULTS`. Workers and engine need the same folders at the same paths.

- `packmill_results`: folder for results (default: `$AIRFLOW_HOME/packmill/results`)

A run fails with the exit code of `packmill-runner`; the log has the reason. Otherwise the
task `run` returns its folder, scraps and outputs for other tasks (XCom).
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import DAG, Param, Variable, literal
from docker.errors import NotFound
from docker.types import Mount

IMAGE = "ada.trees:main-7ff3e48c371b-0123456789abcdef"
COMMAND = [
    "packmill-runner",
    "run",
    "--process",
    "run.sh",
    "--inputs",
    "inputs.json",
    "--output",
    "output",
    "--expect",
    "out=values.json",
    "--declare",
    "out=File:values.json",
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

OUTPUTS = ["out"]

PARAMS = {
    "word": Param(
        "it's {{ 1 }}",
        type="string",
        description="a word, such as 'a.sh'",
    ),
    "n": Param(
        2,
        type="integer",
    ),
}


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
    return {name: value for name, value in values.items() if value is not None}


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
        values = given_values(context, self.templates)
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
    objects = read_json(folder / "cwl.output.json", folder)
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
    dag_id="ada.trees.main.run.docker",
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
    )
