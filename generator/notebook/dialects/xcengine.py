"""xcengine: a parameters cell with the dictionary ``xcengine_config``, which configures its builds."""

from __future__ import annotations

from dataclasses import replace

from generator.notebook.dialects.dialect import Dialect
from generator.notebook.dialects.literal_hints import hint_of_scalar
from generator.notebook.notebook import Cell, Notebook
from generator.notebook.parameters import CwlType, Hint, Parameter, Reading, Remark

_CONFIG = "xcengine_config"
_FOLDER = "'EOInput'"
_wide = {CwlType.INT: CwlType.LONG, CwlType.FLOAT: CwlType.DOUBLE}


def refine(_notebook: Notebook, _cell: Cell, reading: Reading) -> Dialect:
    """Return the cell's parameters without the configuration, and with folders where xcengine expects them."""
    remarks = [one for one in reading.remarks if f"the annotation {_FOLDER!r}" not in one.message]
    remarks += [_explain(one) for one in reading.parameters if one.name == _CONFIG]
    parameters = [_refined(one) for one in reading.parameters if one.name != _CONFIG]
    return Dialect(
        name="xcengine's configuration",
        reading=replace(reading, parameters=tuple(parameters), remarks=tuple(remarks)),
        placement=None,
    )


def _refined(one: Parameter) -> Parameter:
    """Return a parameter with the type that xcengine gives it."""
    if one.hint is not None:
        return one
    if f":{_FOLDER}" in one.text.replace(" ", "").replace('"', "'"):
        return replace(one, hint=Hint(type=CwlType.DIRECTORY))
    hint = hint_of_scalar(one.default)
    return replace(one, hint=replace(hint, type=_wide.get(hint.type, hint.type)) if hint else None)


def _explain(one: Parameter) -> Remark:
    """Name the settings, and the option for the one that packmill has as well."""
    settings = one.default if isinstance(one.default, dict) else {}
    message = f"{_CONFIG} is not an input, and its settings are ignored: {', '.join(settings) or 'see the cell'}"
    file = settings.get("environment_file")
    if isinstance(file, str):
        message = f"{message}; to build with {file!r}, use --env"
    return Remark(line=one.line, message=message)
