"""``--help-notebook``: the parameters of a notebook in one table."""

from __future__ import annotations

from generator.notebook.interface import Input, described_type
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.notebook.parameters import Missing
from generator.notebook.requested_cell import tag_parameters_cell
from generator.notebook.text_formats import as_notebook
from generator.runner.standalone import addresses
from generator.shared.errors import PackmillError
from generator.shared.failures import ProcessMissingError


def show_parameters(address: str, parameters_cell: int | None = None) -> int:
    """Print the parameters of a notebook; return 0, or 1 without parameters (papermill's exit code).

    Raises:
        ProcessMissingError: the file is not a valid notebook, or its parameters cell is invalid.
    """
    name = addresses.redact_address(address)
    try:
        data = tag_parameters_cell(as_notebook(addresses.read(address), name), parameters_cell, name)
        interface = read_interface(read_notebook(data, name), sidecar=addresses.sidecar(address))
    except PackmillError as error:
        raise ProcessMissingError(str(error)) from None
    print(f"Parameters of {name}:")
    for one in interface.inputs:
        print(f"  {one.name}: {described_type(one.hint)} (default: {_default(one)}){'  ' if one.doc else ''}{one.doc}")
    for output in interface.outputs:
        print(f"  {output.name}: output {output.glob}{'  ' if output.doc else ''}{output.doc}")
    for remark in interface.warnings:
        print(f"  {remark.message}")
    return 0 if interface.inputs or interface.outputs else 1


def _default(one: Input) -> str:
    if isinstance(one.default, Missing):
        return "none" if one.default is Missing.UNSET else "the cell's own"
    return repr(one.default)
