"""The steps around a process: ``stage_in.cwl`` and ``stage_out.cwl``.

They run in packmill's staging image (`generator.image.staging`), which holds nothing of the repository: they see
credentials, and the repository's code must not. Records have the names and fields of the original system
(`generator.shared.staging_records`). The inputs of a step may hold secrets: they are written to a file that the
runner empties after reading it, never to a command line.
"""

from __future__ import annotations

from typing import Any

from generator.documents.context import DocumentContext
from generator.documents.cwl.ports import described, port
from generator.documents.text import block, flow, quoted, yaml_text
from generator.shared import contract
from generator.shared.staging_records import Kind, stage_in_kinds, stage_out_kinds

cwltool_namespace = {"cwltool": "http://commonwl.org/cwltool#"}
staging_runner = "/opt/packmill/bin/packmill-runner"
"""The runner of the staging image, by its path: the engine's PATH must not decide which program runs."""


def stage_in_name(index: int) -> str:
    """Return the name of the tool of a stage-in: ``stage_in``, ``stage_in_2`` and so on.

    Each has a file and an id of its own, because tools that put the files of a workflow into one document, such as
    cwl-loader, import a file for every step that runs it, and refuse the second.
    """
    return f"stage_in_{index + 1}" if index else "stage_in"


def stage_in_cwl(context: DocumentContext, name: str = "stage_in") -> str:
    """Return ``stage_in.cwl``, or a copy with another ``name``: the tool that fetches one input from any address."""
    inputs = {
        "input_path": port(stage_in_type(name, optional=True), "what to fetch: a URL, a record, or a list"),
        "name": port("string?", "the input that it is for"),
        "as_type": port("string?", "the type to fetch it as: File[], File, Directory or Directory[]"),
        contract.cache_input: port("Directory?", "contents of earlier runs; is added to"),
        contract.created_cache_input: {**port("boolean?", "an earlier step created the cache"), "default": False},
        "cache_only": {**port("boolean?", "fill the cache and nothing else"), "default": False},
        **settings(),
    }
    outputs = {
        "output_files": port("File[]?", "the files, in their order"),
        "output_file": port("File?", "the file, when there is one"),
        "output_directory": port("Directory?", "the files as a folder with a catalog.json"),
        "output_directories": port("Directory[]?", "a folder for each item of the list"),
        "cache_out": port("Directory?", "the cache, for the next step"),
        "cache_new": port("Directory?", "the cache, when none was given and one was asked for"),
        "cache_is_new": port("boolean?", "whether a step of this run created the cache"),
    }
    cache = {"entryname": "cache", "entry": "$(inputs.cache_dir)", "writable": True}
    about = described("fetches files from anywhere", _doc(context))
    return _tool(context, name, "stage-in", inputs, outputs, about=about, kinds=stage_in_kinds, extra=cache)


def stage_out_cwl(context: DocumentContext) -> str:
    """Return ``stage_out.cwl``: the tool that delivers the results to a destination."""
    inputs = {
        contract.destination_input: port(
            stage_out_type("stage_out"), "where to: a URL or a record; nowhere when not given"
        ),
        contract.output_dir: port("Directory", "everything that the run left"),
        contract.include_input: port("string[]?", "patterns of the files to deliver; all when not given"),
        contract.catalog_input: port("boolean?", "write a STAC catalog, too"),
        "name": port("string?", "the catalog's id"),
        **settings(),
    }
    outputs = {
        "staged": port("File", "what went where, as JSON"),
        "staged_dir": port("Directory?", "the destination, when it is a folder of the outputs"),
    }
    about = described("delivers results to a destination", _doc(context))
    return _tool(context, "stage_out", "stage-out", inputs, outputs, about=about, kinds=stage_out_kinds)


def _doc(context: DocumentContext) -> str:
    return f"A step around {context.process.path}, run by packmill-runner in packmill's staging image."


def _tool(
    context: DocumentContext,
    name: str,
    command: str,
    inputs: dict[str, Any],
    outputs: dict[str, Any],
    *,
    about: dict[str, Any],
    kinds: tuple[Kind, ...],
    extra: dict[str, Any] | None = None,
) -> str:
    inputs_file = f"{command.replace('-', '_')}.json"
    listing = [
        {"entryname": inputs_file, "entry": "$(inputs)", "writable": True},
        {"entryname": contract.credentials_file, "entry": f"$(inputs.{contract.credentials_input})", "writable": True},
        *([extra] if extra else []),
    ]
    hints: dict[str, Any] = {"cwltool:Secrets": {"secrets": flow([contract.credentials_input])}}
    if extra:
        # The cache is changed in place; an engine that cannot do that passes on a changed copy.
        hints["InplaceUpdateRequirement"] = {"inplaceUpdate": True}
    return yaml_text(
        block(
            **{
                "cwlVersion": "v1.2",
                "$namespaces": {"s": "https://schema.org/", **cwltool_namespace},
                "class": "CommandLineTool",
                "id": name,
                **about,
                "s:softwareVersion": quoted(context.source.checkout),
                "requirements": {
                    "DockerRequirement": {"dockerPull": context.staging_image},
                    "InitialWorkDirRequirement": {"listing": listing},
                    "NetworkAccess": {"networkAccess": True},
                    "ResourceRequirement": {
                        "coresMin": 1,
                        "coresMax": 1,
                        "ramMin": 512,
                        "ramMax": 1024,
                        "outdirMin": context.process.resources.least("disk"),
                    },
                    "SchemaDefRequirement": {"types": [record(kind) for kind in kinds]},
                    "WorkReuse": {"enableReuse": False},
                },
                "hints": hints,
                "baseCommand": flow([staging_runner, command]),
                "arguments": [contract.inputs_option, inputs_file, *guard_options(context)],
                "inputs": inputs,
                "outputs": outputs,
            }
        )
    )


def guard_options(context: DocumentContext) -> list[str]:
    """Return the options of a staging step that keeps to public addresses; none without the guard."""
    return ["--guard", *(word for one in context.guard_allows for word in ("--allow", one))] if context.guard else []


def record(kind: Kind) -> dict[str, Any]:
    """Return the CWL record type of a kind."""
    return {
        "name": kind.name,
        "type": "record",
        "doc": kind.doc,
        "fields": {
            field.name: {
                "type": flow(list(field.types)) if len(field.types) > 1 else field.types[0],
                **({"doc": field.doc} if field.doc else {}),
            }
            for field in kind.fields
        },
    }


def settings() -> dict[str, Any]:
    """Return the inputs of every step that uses the network: credentials and configuration."""
    return {
        contract.credentials_input: port(
            "string?",
            "secrets, as JSON or YAML",
            "A mapping with aws_access_key_id, aws_secret_access_key, aws_session_token, username, password, token "
            "or maap_pgt, for records that do not have them; and mappings of the same for single inputs, by name.",
        ),
        contract.config_input: port(
            "Directory?",
            "a folder of configuration",
            "AWS's config and credentials, .netrc, known_hosts, id_ed25519, google.json, azure.json, ca.pem; "
            "each optional.",
        ),
    }


def stage_in_type(document: str, *, optional: bool) -> list[Any]:
    """Return the type of a stage-in: an address, a File, a record of this document, or a list of these."""
    names = [f"#{document}/{kind.name}" for kind in stage_in_kinds]
    items = flow(["string", "File", "Directory", *names])
    plain = ["string", "File", "Directory"]
    return [*(["null"] if optional else []), *plain, *names, {"type": "array", "items": items}]


def stage_out_type(document: str) -> list[Any]:
    """Return the type of a destination: an address, a record of this document, or null."""
    return ["null", "string", *(f"#{document}/{kind.name}" for kind in stage_out_kinds)]
