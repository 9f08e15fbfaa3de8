"""A script of the image is started with the input object, as in the original system."""

from __future__ import annotations

import os
import posixpath

from generator.notebook.interface import parameter_name
from generator.runner.packaged.network import advise_script_on_network
from generator.runner.packaged.process_run import ProcessRun
from generator.runner.packaged.script import run_script
from generator.runner.packaged.values import read_inputs, script_values
from generator.shared import contract
from generator.shared.failures import ProcessFailedError
from generator.shared.json_text import json_text


def run_shell(run: ProcessRun) -> None:
    """Run a script with the path of the input object as its first argument."""
    workspace, inputs = run.workspace, run.request.inputs
    globs = [pattern for _, pattern in run.request.expected] + [one.glob for one in run.outputs]
    workspace.fill(run.place, written=globs, left_out=run.request.left_out, kept=run.request.kept_copy)
    has_other_names = any(parameter_name(name) != name for name in run.inputs)
    if run.request.paths or (inputs and (has_other_names or run.inputs != read_inputs(inputs, absolute=False))):
        inputs = run.scratch / contract.inputs_file
        inputs.write_bytes(json_text(script_values(run.inputs, dict(run.request.paths))))
    script = workspace.directory / posixpath.basename(workspace.process)
    command = [str(script)] if os.access(script, os.X_OK) else ["bash", str(script)]
    given = [str(inputs.resolve())] if inputs else []
    try:
        code = run_script([*command, *given], workspace.directory)
    except OSError as error:
        raise ProcessFailedError(f"{workspace.process}: cannot be started: {error}") from None
    if code != 0:
        how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
        source = script.read_text(encoding="utf-8", errors="replace") if script.is_file() else ""
        raise ProcessFailedError(f"{workspace.process} {how}{advise_script_on_network(source)}")
