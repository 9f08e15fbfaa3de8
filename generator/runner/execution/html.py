"""The executed notebook as an HTML page, by nbconvert."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from generator.runner.document.document import Document, join_text
from generator.runner.document.saving import Write
from generator.runner.execution.task import ProgressOutput, Task
from generator.shared.failures import BadInputsError, RunFailedError


@contextmanager
def write_page_after(task: Task, write: Write | None, console: ProgressOutput) -> Iterator[None]:
    """Write the HTML page after the run, even a failed one; without ``write`` do nothing.

    Raises:
        BadInputsError: nbconvert is not installed; the notebook is not run.
    """
    if write is None:
        yield
        return
    if find_spec("nbconvert") is None:
        raise BadInputsError("--html: nbconvert is not installed; install it with packmill")
    try:
        yield
    except RunFailedError:
        try:
            write([html_page(task.document, report_mode=task.report_mode)])
        except Exception as error:  # noqa: BLE001 - the run's own failure is raised
            console.say(f"warning: the HTML page cannot be written: {error}")
        raise
    write([html_page(task.document, report_mode=task.report_mode)])


def html_page(document: Document, *, report_mode: bool) -> bytes:
    """Render the page; ``report_mode`` hides the code."""
    import nbformat
    from nbconvert import HTMLExporter

    nb = nbformat.reads(join_text(document.text()), as_version=4)
    exporter = HTMLExporter(
        exclude_input=report_mode, exclude_input_prompt=report_mode, exclude_output_prompt=report_mode
    )
    page, _ = exporter.from_notebook_node(nb)
    return str(page).encode()
