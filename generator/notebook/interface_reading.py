"""Read the interface of a process from its parameters cell.

`_input` follows the original system's rules if it has one (numbers without a hint are float, a stage-out's value is
its glob), and otherwise what a reader of the cell would expect. Standard library only: the runner uses the same
interface to check and convert the values of a run.
"""

from __future__ import annotations

import math
from dataclasses import replace

from generator.notebook.dialects import read_dialect, refine_reading
from generator.notebook.dialects.sidecar import Sidecar, no_sidecar
from generator.notebook.interface import Input, Interface, Output
from generator.notebook.languages import reader_of
from generator.notebook.literals import MisfitError, fit_default, hint_of, widen_hint
from generator.notebook.notebook import LONGEST_READ_CELL, Cell, Notebook
from generator.notebook.parameters import CwlType, Format, Hint, Literal, Missing, Parameter, Reading, Remark, Role
from generator.notebook.stage_ins import IsFolder, no_folder, stage_in_hint
from generator.notebook.stage_outs import ends_in_slash, output_path, placeholder_name
from generator.notebook.tag_advice import later_cells, untagged_advice
from generator.notebook.text_formats import executed_name, is_text_name
from generator.shared import contract
from generator.shared.errors import Mistake, ParametersError
from generator.shared.output_patterns import ambiguous_sets, has_wildcard
from generator.shared.safe_text import printable

_TAG = "parameters"


def read_interface(
    notebook: Notebook, *, folder: str = "", is_folder: IsFolder = no_folder, sidecar: Sidecar = no_sidecar
) -> Interface:
    """Read the interface of a notebook in ``folder`` (posix, relative to the repository's top).

    ``is_folder`` tells the folders among the defaults of stage-ins from files; ``sidecar`` reads the YAML file next to
    the notebook.

    Raises:
        ParametersError: the parameters cell has mistakes; the error lists all of them.
    """
    remarks = list(notebook.remarks)
    if not notebook.language:
        message = "the notebook names no kernel and no language; it is read as Python"
        remarks.append(Remark(line=0, message=message))
    read = reader_of(notebook.parameters_language)
    tagged = notebook.cells_with_tag(_TAG)
    if read is None:
        message = (
            f"parameters of the language {notebook.parameters_language!r} cannot be read: the process has no inputs"
        )
        return Interface(warnings=(*remarks, Remark(line=0, message=message)))
    if not tagged:
        return _read_untagged(notebook, remarks, sidecar, folder=folder, is_folder=is_folder)
    cell = tagged[0]
    where = notebook.name if is_text_name(notebook.name) else f"{notebook.name}: cell {cell.number} (parameters)"
    _check_length(where, cell)
    notebook = notebook.without_long_cells()
    reading = read(cell.source)
    dialect = refine_reading(notebook, cell, reading)
    if dialect is not None:
        reading = dialect.reading
        remarks.append(Remark(line=0, message=f"the parameters cell is read with {dialect.name}"))
    reading = reading.moved(cell.before)
    remarks += reading.remarks
    remarks += later_cells(notebook, tagged[1:])
    interface = _interface(where, notebook, reading, remarks, folder=folder, is_folder=is_folder)
    return replace(interface, placement=dialect.placement) if dialect else interface


def _check_length(where: str, cell: Cell) -> None:
    if len(cell.source) > LONGEST_READ_CELL:
        message = (
            f"the cell has {len(cell.source):,} characters, and the most is {LONGEST_READ_CELL:,}; "
            "put large values into a file of the repository"
        )
        raise ParametersError(where=where, mistakes=[Mistake(line=cell.before + 1, text="", message=message)])


def _read_untagged(
    notebook: Notebook, remarks: list[Remark], sidecar: Sidecar, *, folder: str, is_folder: IsFolder
) -> Interface:
    """Read a notebook without a parameters cell in the dialect of another tool, if it is in one."""
    dialect = read_dialect(notebook.without_long_cells(), sidecar)
    if dialect is None:
        advice = untagged_advice(notebook.without_long_cells())
        return Interface(warnings=(*remarks, Remark(line=0, message=advice)))
    message = f"no cell is tagged 'parameters': inputs and outputs are read from {dialect.name}"
    remarks += (Remark(line=0, message=message), *dialect.reading.remarks)
    where = f"{notebook.name} ({dialect.name})"
    interface = _interface(where, notebook, dialect.reading, remarks, folder=folder, is_folder=is_folder)
    return replace(interface, placement=dialect.placement)


def _interface(
    where: str, notebook: Notebook, reading: Reading, remarks: list[Remark], *, folder: str, is_folder: IsFolder
) -> Interface:
    inputs: list[Input] = []
    outputs: list[Output] = []
    mistakes = list(reading.mistakes)
    for parameter in reading.parameters:
        try:
            if parameter.hint and parameter.hint.role is Role.STAGE_OUT:
                outputs.append(_output(parameter, folder))
                remarks += _output_remarks(outputs[-1])
            else:
                inputs.append(_input(parameter, remarks, is_folder))
        except MisfitError as error:
            message = f"{parameter.name} {error}"
            mistakes.append(Mistake(line=parameter.line, text=parameter.text, message=message))
    mistakes += _collisions(reading, outputs, notebook.name)
    if mistakes:
        raise ParametersError(where=where, mistakes=mistakes)
    return Interface(inputs=tuple(inputs), outputs=tuple(outputs), warnings=tuple(remarks))


def _collisions(reading: Reading, outputs: list[Output], notebook: str) -> list[Mistake]:
    """Report outputs that would be the same file in the output directory."""
    taken = {
        executed_name(notebook): "the executed notebook",
        contract.scraps_file: "scraps",
        contract.result_file: "result.json",
    }
    texts = {parameter.name: parameter.text for parameter in reading.parameters}
    mistakes = []
    for one in outputs:
        if one.glob in taken:
            message = f"{one.name} would be {one.glob!r} in the output directory, as {taken[one.glob]} is: rename one"
            mistakes.append(Mistake(line=one.line, text=texts[one.name], message=message))
        taken.setdefault(one.glob, one.name)
    return mistakes


def _input(parameter: Parameter, remarks: list[Remark], is_folder: IsFolder) -> Input:
    if parameter.hint is not None:
        parameter = replace(parameter, hint=geojson_hint(parameter.hint, parameter.default))
    default = parameter.default
    if default is None:
        hint = replace(parameter.hint or Hint(), optional=True)
        default = Missing.COMPUTED
    elif isinstance(default, Missing):
        hint = parameter.hint or Hint()
        hint = replace(hint, optional=hint.optional or default is Missing.COMPUTED)
    else:
        hint, default = _fit_default(parameter, default)
        if not _is_finite(default):  # as documents are JSON
            hint, default = replace(hint, optional=True), Missing.COMPUTED
    if hint.role is Role.STAGE_IN:
        one = _stage_in(parameter, hint, default, is_folder)
        remarks += _computed_remarks(parameter, one)
        return one
    if hint.secret and hint.array:
        raise MisfitError("is a list of secrets, which CWL engines do not keep: write one parameter for each")
    if hint.secret:
        if isinstance(default, str) and default:
            message = f"{parameter.name} is secret, but its value is in the repository: replace it with ''"
            remarks.append(Remark(line=parameter.line, message=message))
        hint = replace(hint, optional=hint.optional or not isinstance(default, Missing))
        default = Missing.COMPUTED if hint.optional else Missing.UNSET
    return Input(
        name=parameter.name,
        hint=hint,
        default=default,
        doc=printable(parameter.doc),
        line=parameter.line,
        typed=parameter.hint is not None,
        native=parameter.native,
    )


def geojson_hint(hint: Hint, default: Literal | Missing) -> Hint:
    """Choose between a file and a value, by the default: text that is not an object is the path of a file."""
    if hint.format is not Format.GEOJSON or hint.type is CwlType.FILE or hint.role is Role.STAGE_IN:
        return hint
    items = default if isinstance(default, list | tuple) else [default]
    is_file = bool(items) and all(isinstance(item, str) and not item.lstrip().startswith("{") for item in items)
    return replace(hint, type=CwlType.FILE if is_file else CwlType.STRING)


def _fit_default(parameter: Parameter, default: Literal) -> tuple[Hint, Literal]:
    hint = parameter.hint
    bare_list = hint is not None and hint.array and hint.type is CwlType.ANY and not hint.role.startswith("stage")
    if hint is None or (bare_list and isinstance(default, list | tuple) and hint_of(default).array):
        optional = hint is not None and hint.optional
        return replace(hint_of(default), optional=optional), default
    if hint.type in (CwlType.FILE, CwlType.DIRECTORY) or hint.role is Role.STAGE_IN:
        return hint, default
    fitted = fit_default(default, hint)
    return widen_hint(hint, fitted), fitted


def _is_finite(value: Literal) -> bool:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return all(map(_is_finite, items)) and not (isinstance(value, float) and not math.isfinite(value))


def _stage_in(parameter: Parameter, hint: Hint, default: Literal | Missing, is_folder: IsFolder) -> Input:
    hint = stage_in_hint(hint, default, is_folder)
    if parameter.default is not None and not (parameter.hint and parameter.hint.optional):
        hint = replace(hint, optional=False)
    return Input(name=parameter.name, hint=hint, default=default, doc=printable(parameter.doc), line=parameter.line)


def _computed_remarks(parameter: Parameter, one: Input) -> list[Remark]:
    if parameter.default is not Missing.COMPUTED:
        return []
    form = f"a list of {one.hint.type} objects" if one.hint.array else f"a {one.hint.type} object"
    message = (
        f"{one.name}: its default is computed, so a run gives the notebook {form}, not a path; "
        "for a path, write the default as text"
    )
    return [Remark(line=one.line, message=message)]


def _output(parameter: Parameter, folder: str) -> Output:
    glob, hint = parameter.default, parameter.hint or Hint()
    if not isinstance(glob, str) or not glob.strip():
        raise MisfitError(
            "is a stage-out: its value must be a file name or pattern in quotes, such as 'image.png' or '*.log'"
        )
    placeholder = placeholder_name(glob)
    relative = placeholder or output_path(glob, folder)
    directory = ends_in_slash(glob) or hint.type is CwlType.DIRECTORY
    wildcard = has_wildcard(placeholder or glob)
    if directory and wildcard:
        raise MisfitError(f"is {glob!r}: a folder to stage out cannot have a wildcard")
    return Output(
        name=parameter.name,
        type=CwlType.DIRECTORY if directory else CwlType.FILE,
        glob=relative,
        array=(wildcard or hint.array) and not directory,
        optional=hint.optional,
        doc=printable(parameter.doc),
        line=parameter.line,
        placeholder=glob if placeholder else "",
    )


def _output_remarks(one: Output) -> list[Remark]:
    messages = []
    if one.placeholder:
        messages.append(
            f"{one.name} is {one.placeholder!r}, a path on the author's machine: a run writes to {one.glob!r} in its "
            "output directory, and the notebook gets that path"
        )
    if sets := ambiguous_sets(one.glob):
        messages.append(
            f"{one.name}: {', '.join(sets)} in {one.glob!r} is part of the file name, and a set of characters only if "
            "no file has this name; for a pattern, write '*'"
        )
    return [Remark(line=one.line, message=printable(message)) for message in messages]
