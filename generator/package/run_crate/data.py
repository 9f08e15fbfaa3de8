"""The inputs and outputs of a run as entities of its crate, linked to the parameters of the document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generator.crates.graph import Graph, Reference, file_identifier
from generator.crates.parameters import add_example
from generator.crates.workflow import Workflow
from generator.package.file_objects import file_objects, local_path
from generator.package.run_crate.files import INPUTS, are_files, copy_input, copy_output, top_files
from generator.package.run_crate.run import Run
from generator.package.run_crate.values import HIDDEN, shown_record, shown_value
from generator.shared import contract, media_types

LEFT_OUT = frozenset((contract.config_input, contract.credentials_input, contract.cache_input))
"""Inputs of the staging steps that hold credentials, or a cache."""
_CHANGED = "This input changed after the run had begun, which may have used another version of it."


class Data:
    """Adds the data of a run to its graph, with copies of files."""

    def __init__(self, graph: Graph, crate: Path, run: Run, workflow: Workflow) -> None:
        self._parts: dict[str, Reference] = {}
        self._graph, self._crate, self._run, self._workflow = graph, crate, run, workflow

    @property
    def parts(self) -> list[Reference]:
        """The files and folders that it copied."""
        return [*self._parts.values()]

    def inputs(self) -> list[Reference]:
        """Add the values that the run was given, and the defaults of the document for others."""
        defaults = {name: one["default"] for name, one in self._workflow.inputs.items() if "default" in one}
        values = {**defaults, **self._run.given.job}
        return [one for name, value in values.items() if name not in LEFT_OUT for one in self._input(name, value)]

    def outputs(self) -> list[Reference]:
        """Add the files and folders that the run left."""
        results = {name: list(top_files(value)) for name, value in self._run.outputs.items()}
        return [self._output(name, one) for name, files in results.items() for one in files]

    def _input(self, name: str, value: Any) -> Iterator[Reference]:
        if name in self._run.given.secrets:
            yield self._value(name, HIDDEN)
        elif are_files(value):
            several = isinstance(value, list)
            for index, one in enumerate(top_files(value)):
                place = f"{INPUTS}/{name.strip('.') or '_'}{f'/{index}' if several else ''}"
                yield self._file(name, copy_input(one, self._crate, place), one, remark=self._remark(one))
        elif value is not None:
            is_staged = self._is_record(name) or name == "stage_out"
            yield self._value(name, shown_record(value) if is_staged else shown_value(value))

    def _output(self, name: str, one: dict[str, Any]) -> Reference:
        return self._file(name, copy_output(one, self._run.given.outdir, self._crate), one)

    def _remark(self, one: dict[str, Any]) -> str:
        """Return what readers have to know of an input's copy."""
        return _CHANGED if any(local_path(part) in self._run.changed for part in file_objects(one)) else ""

    def _file(self, name: str, path: str, one: dict[str, Any], *, remark: str = "") -> Reference:
        kind = "Dataset" if one["class"] == "Directory" else "File"
        file_name = path.rstrip("/").rpartition("/")[2]
        properties: dict[str, Any] = {"name": file_name, "description": remark}
        if kind == "File":
            size = self._crate / path
            properties["encodingFormat"] = media_types.media_type(file_name)
            properties["contentSize"] = str(size.stat().st_size) if size.is_file() else None
        identifier = path if "://" in path else file_identifier(path)
        link = self._graph.add(identifier, kind, **properties)
        self._parts[identifier] = link
        add_example(self._graph, self._workflow.document, name, identifier, is_declared=self._is_declared(name))
        return link

    def _value(self, name: str, value: Any) -> Reference:
        link = self._graph.add(f"#value-{file_identifier(name)}", "PropertyValue", name=name, value=value)
        add_example(self._graph, self._workflow.document, name, link["@id"], is_declared=self._is_declared(name))
        return link

    def _is_declared(self, name: str) -> bool:
        return name in self._workflow.inputs or name in self._workflow.outputs

    def _is_record(self, name: str) -> bool:
        """Whether an input takes the records of a stage-in."""
        return isinstance(self._workflow.inputs.get(name, {}).get("type"), list)
