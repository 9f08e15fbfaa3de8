"""The files with which MAAP and other HySDS clusters register a process as an algorithm.

``algorithm_config.yml`` is read by MAAP's generator of application packages
(https://github.com/MAAP-Project/ogc-app-pack-generator), and by packmill for shell scripts
(`generator.process.algorithm_config`). ``hysds-io.json`` and ``job-spec.json`` are those that MAAP derives from an
application package (https://github.com/MAAP-Project/hysds-ogc-container-builder): its wrapper runs the CWL document,
which names the image.
"""

from __future__ import annotations

import math
import re
import shlex
from typing import Any

from generator.documents.context import DocumentContext
from generator.documents.cwl.process import arguments, input_entry
from generator.documents.descriptors.hysds import destination, form_field
from generator.documents.text import json_text, plain, prose, yaml_text
from generator.metadata.metadata import Person
from generator.notebook.interface import Input, Output
from generator.request.resources import Resources
from generator.shared.file_names import shortened

_FOLDER = "maap"
_DOCUMENT = "application.cwl"
_DAY = 86400
_GRACE = 60
"""Seconds between the limits of time, without which HySDS loses track of a job (the schema of ``job-spec.json``)."""
_QUEUES = {gib: f"maap-dps-worker-{gib}gb" for gib in (8, 16, 32, 64)}
"""MAAP's public queues, by the GiB of memory of their workers."""


def emit(context: DocumentContext) -> dict[str, str]:
    """Return the three files by their paths in the package."""
    name = algorithm_name(context)
    return {
        f"{_FOLDER}/algorithm_config.yml": algorithm_config_yml(context),
        f"{_FOLDER}/hysds-io.json.{name}": hysds_io_json(context),
        f"{_FOLDER}/job-spec.json.{name}": job_spec_json(context),
    }


def algorithm_name(context: DocumentContext) -> str:
    """Return the stated ``algorithm_name`` of an algorithm_config if it is one word, else the process's identifier.

    It is a part of names of files: a long one ends with a digest.
    """
    name, metadata = context.process.metadata.name, context.process.metadata
    is_algorithm = "algorithm_config" in dict(metadata.sources).get("name", "")
    stated = is_algorithm and re.fullmatch(r"(?a:[A-Za-z0-9][\w.-]*)", name)
    return shortened(name if stated else context.process_id)


def algorithm_config_yml(context: DocumentContext) -> str:
    """Return the text of ``algorithm_config.yml``: types, defaults and resources are those of ``process.cwl``."""
    metadata, interface, queues = context.metadata, context.process.interface, _queues(context)
    people = {"author": metadata.author, "contributor": metadata.contributor}
    texts = {
        "keywords": ", ".join(metadata.keywords),
        "code_repository": metadata.code_repository,
        "citation": metadata.citation,
        **{name: _people(persons) for name, persons in people.items()},
        "license": metadata.license,
        "release_notes": metadata.release_notes,
    }
    return yaml_text(
        {
            "algorithm_name": algorithm_name(context),
            "algorithm_description": prose(context.doc),
            "algorithm_version": metadata.version,
            **{name: value for name, value in texts.items() if value},
            "algorithm_container_url": context.image,
            "run_command": " ".join(["packmill-runner", "run", *map(shlex.quote, arguments(context.process))]),
            **_resources(context.process.resources),
            **({"queue": queues[0]} if queues else {}),
            "inputs": [_input(one) for one in interface.inputs],
            "outputs": [_output(one) for one in interface.outputs],
        }
    )


def hysds_io_json(context: DocumentContext) -> str:
    """Return the text of ``hysds-io.json``, which describes the form of a job."""
    return json_text(
        {
            "label": context.title,
            "description": context.doc,
            "component": "tosca",
            "submission_type": "individual",
            "enable_dedup": False,
            "action-type": "both",
            "params": [form_field(one) for one in context.process.interface.inputs],
        }
    )


def job_spec_json(context: DocumentContext) -> str:
    """Return the text of ``job-spec.json``, which describes how HySDS runs a job."""
    resources = context.process.resources
    soft_limit = resources.time or _DAY
    return json_text(
        {
            "command": " ".join(
                ["/app/dps_wrapper.sh", *([f"{context.address}/{_DOCUMENT}"] if context.address else [])]
            ),
            "disk_usage": f"{math.ceil(resources.least('disk') / 1024)}GB",
            "imported_worker_files": {"$HOME/verdi/etc/maap-dps.env": "/maap-dps.env", "/tmp": ["/tmp", "rw"]},  # noqa: S108
            "post": ["hysds.triage.triage"],
            "recommended-queues": _queues(context),
            "soft_time_limit": soft_limit,
            "time_limit": soft_limit + _GRACE,
            "dependency_images": [
                {"container_image_name": context.image, "container_image_url": None, "container_mappings": {}}
            ],
            "params": [destination(one) for one in context.process.interface.inputs],
        }
    )


def _input(one: Input) -> dict[str, Any]:
    entry = input_entry(one)
    own = {"name": one.name, "label": entry["label"], "doc": entry.get("doc", entry["label"]), "type": entry["type"]}
    default = {"default": entry["default"]} if "default" in entry else {}
    return {**own, **default, **({"secret": True} if one.hint.secret else {})}


def _output(one: Output) -> dict[str, Any]:
    kind = f"{one.type}{'[]' if one.array else ''}{'?' if one.optional else ''}"
    return {"name": one.name, **({"doc": prose(one.doc)} if one.doc else {}), "type": kind, "glob": plain(one.glob)}


def _people(people: tuple[Person, ...]) -> Any:
    names = [f"{one.name} <{one.email}>" if one.email else one.name for one in people]
    return names[0] if len(names) == 1 else names


def _resources(resources: Resources) -> dict[str, Any]:
    """Return the resources by MAAP's names; memory and disk are in MiB, and a time without a unit in seconds."""
    least = {"ram_min": "ram", "cores_min": "cores", "outdir_max": "disk"}
    others = {"time_limit": resources.time, "gpu": resources.gpu}
    amounts = {name: resources.least(resource) for name, resource in least.items()}
    return {**amounts, **{name: amount for name, amount in others.items() if amount}}


def _queues(context: DocumentContext) -> list[str]:
    """Return the stated ``queue``, else the public one with the least memory that is enough.

    None of the public queues has GPUs, or more than 64 GiB of memory.
    """
    resources = context.process.resources
    if stated := dict(context.process.metadata.others).get("queue"):
        return [stated] if isinstance(stated, str) else list(stated)
    fitting = [name for gib, name in _QUEUES.items() if resources.least("ram") <= gib * 1024]
    return [] if resources.gpu else fitting[:1]
