"""The results of a job: the files of each requested output, from the output object that the run wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.notebook.interface import Interface
from generator.notebook.ogc_description import (
    folder_media_type,
    notebook_output,
    output_media_type,
    scrap_files_output,
    scraps_output,
)
from generator.runner.server.runs.folder import RunFolder
from generator.shared import contract, media_types

any_media_type = "*/*"


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultFile:
    """A file or a folder of an output."""

    path: Path
    relative: str
    """Posix, relative to the output directory of the run."""
    is_folder: bool = False

    @property
    def media_type(self) -> str:
        """The media type; that of an archive for a folder."""
        return folder_media_type if self.is_folder else media_types.media_type(self.relative)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The files of one output; ``is_list`` is true if the output can have several."""

    id: str
    files: tuple[ResultFile, ...]
    is_list: bool = False
    by_reference: bool = False


def known_outputs(interface: Interface) -> dict[str, str]:
    """Return the media type of each output of a notebook, by id."""
    outputs = {one.id: output_media_type(one) for one in interface.outputs}
    outputs |= {notebook_output: media_types.media_type("x.ipynb"), scraps_output: "application/json"}
    return {**outputs, scrap_files_output: any_media_type}


def find_results(folder: RunFolder, modes: Mapping[str, str] | None) -> tuple[Result, ...]:
    """Return the results of a run that exist, by the transmission modes of a request; without, all by value."""
    objects = folder.read_output_object()
    if modes is None:
        modes = {name: "value" for name in objects if name != contract.output_dir}
    found = (_result(name, objects.get(name), folder, by_reference=modes[name] == "reference") for name in modes)
    return tuple(one for one in found if one.files or one.is_list)


def _result(name: str, value: Any, folder: RunFolder, *, by_reference: bool) -> Result:
    items = value if isinstance(value, list) else [value]
    files = tuple(file for item in items if (file := _result_file(item, folder)) is not None)
    return Result(id=name, files=files, is_list=isinstance(value, list), by_reference=by_reference)


def _result_file(value: Any, folder: RunFolder) -> ResultFile | None:
    """Return the file of a CWL object of the run, whose path starts with the name of the output directory."""
    if not isinstance(value, Mapping):
        return None
    relative = str(value.get("path", "")).removeprefix(f"{contract.output_folder}/")
    if value.get("class") == "Directory":
        path = folder.output_folder(relative)
        return None if path is None else ResultFile(path=path, relative=relative, is_folder=True)
    path = folder.output_file(relative)
    return None if path is None else ResultFile(path=path, relative=relative)
