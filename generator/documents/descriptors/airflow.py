"""DAGs for Apache Airflow 3: one runs the process in its image, one runs a notebook in place with packmill's engine.

The DAGs are self-contained: their users own the files, and the worker that runs an image needs no packmill.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

from generator.documents.context import DocumentContext
from generator.documents.cwl.process import arguments
from generator.documents.cwl.staging import guard_options, staging_runner
from generator.documents.descriptors.airflow_params import emptied, has_whole_numbers, is_needed, param
from generator.documents.python_text import docstring, python_text
from generator.notebook.interface import Input, Interface, Output, type_name
from generator.notebook.parameters import CwlType, Role
from generator.notebook.schemas import is_file
from generator.notebook.stage_ins import is_given_with_slash
from generator.notebook.text_formats import NOTEBOOK, executed_name
from generator.resources import render
from generator.shared import contract
from generator.shared.file_names import shortened
from generator.shared.output_patterns import alternatives
from generator.shared.safe_text import printable

_LOG = ("--progress-bar", "--log-output")
"""The task's log has every cell, and what it prints."""


def emit(context: DocumentContext) -> dict[str, str]:
    """Return the DAG that runs the image, and for a notebook without secrets the one that runs it in place.

    papermill saves all parameters in the executed notebook, so a notebook with a secret has only the first. So has a
    text notebook, which papermill does not read.
    """
    # Airflow allows 250 characters for an id, file systems 255 bytes for a name
    name = shortened(re.sub(r"\W+", "_", context.identifier))
    files = {f"airflow/{name}_docker.py": _dag(context, "docker", name)}
    of_papermill = context.process.path.endswith(NOTEBOOK)
    if of_papermill and not _secrets(context.process.interface):
        files[f"airflow/{name}_notebook.py"] = _dag(context, "notebook", name)
    return files


def _secrets(interface: Interface) -> list[Input]:
    return [one for one in interface.inputs if one.hint.secret]


def _dag(context: DocumentContext, kind: str, name: str) -> str:
    process, interface = context.process, context.process.interface
    given = [one for one in interface.inputs if not one.hint.secret]
    files = [one for one in given if is_file(one)]

    def key(one: Input | Output) -> str:
        """Return the name in the notebook's cell for the notebook itself, and that in the CWL for the runner."""
        return one.name if kind == "notebook" else one.id

    return render(
        f"airflow/{kind}.py.jinja",
        context=context,
        text=python_text,
        prose=lambda words: docstring(printable(words, lines=True)),
        dag_id=f"{shortened(context.identifier)}.{kind}",
        display=f"{printable(context.title)} ({kind})",
        command=["packmill-runner", "run", *(_LOG if process.is_notebook else ()), *arguments(process)],
        staging=[staging_runner, "stage-in", contract.inputs_option, "stage_in.json", *guard_options(context)],
        resources=process.resources,
        clone=posixpath.join(context.source.owner, context.source.name),
        has_output_object=process.is_notebook or bool(interface.outputs),
        notebook=process.is_notebook and posixpath.join(context.source.owner, context.source.name, process.path),
        levels=process.path.count("/"),
        executed=executed_name(process.path),
        kernel=None if process.kernel else process.language,
        parameters_cell=process.parameters_cell,
        params={key(one): param(one) for one in given},
        emptied={key(one): emptied(one) for one in given if emptied(one) is not None},
        whole=[key(one) for one in given if has_whole_numbers(one)],
        files={key(one): _shape(one) for one in files},
        classes={key(one): str(one.hint.type) for one in files},
        stage_ins={key(one): type_name(one.hint) for one in files if one.hint.role is Role.STAGE_IN},
        secrets={key(one): f"{name}_secret_{one.name}" for one in _secrets(interface)},
        required=[key(one) for one in given if is_needed(one)],
        placed=any(one.placeholder for one in interface.outputs),
        outputs={key(one): _output(one) for one in interface.outputs},
    )


def _shape(one: Input) -> dict[str, Any]:
    """Describe the form in which a notebook expects the files of an input."""
    shape: dict[str, Any] = {"class": str(one.hint.type), "as_text": one.as_path}
    is_slashed = one.hint.type is CwlType.DIRECTORY and is_given_with_slash(one.default)
    return {**shape, "ending": "/" if is_slashed else ""} if one.as_path else shape


def _output(one: Output) -> dict[str, Any]:
    """Describe an output: the patterns of its files, of which the first that matches counts."""
    described = {"patterns": list(alternatives(one.glob)), "many": one.array, "optional": one.optional}
    if not one.placeholder:
        return described
    return {**described, "place": one.glob + ("/" if one.type is CwlType.DIRECTORY else "")}
