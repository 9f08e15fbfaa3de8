"""Check the inputs of ``--scatter``."""

from __future__ import annotations

from collections.abc import Iterable

from generator.process.process import Process
from generator.shared.errors import UsageError
from generator.shared.suggestions import did_you_mean


def check_scatter(processes: Iterable[Process], names: Iterable[str]) -> None:
    """Check that every process has these inputs, and that none is secret: engines keep only a single text secret.

    Raises:
        UsageError: a name is not an input, or it is a secret one.
    """
    for process in processes:
        inputs = {one.id: one for one in process.interface.inputs}
        for name in names:
            if name not in inputs:
                known = f"; inputs: {', '.join(inputs)}" if inputs else "; it has none"
                raise UsageError(
                    f"--scatter {name}: {process.path} has no such input{did_you_mean(name, inputs)}{known}"
                )
            if inputs[name].hint.secret:
                raise UsageError(f"--scatter {name}: a secret of {process.path}, which cannot be a list; omit it")
