"""The executed notebook as a page for people, by nbconvert."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from generator.runner.document.document import Document, text_of
from generator.runner.document.saving import Write
from generator.runner.execution.task import ProgressOutput, Task
from generator.shared.failures import BadInputsError, RunFailedError


@contextmanager
def page_beside(task: Task, write: Write | None, console: ProgressOutput) -> Iterator[None]:
    """Writes the page when the run has ended, well or not; without ``write`` there is none.

    Raises:
        BadInputsError: nbconvert is not installed; nothing has run then.
    """
    if write is None:
        yield
        return
    if find_spec("nbconvert") is None:
        raise BadInputsError("--html needs nbconvert: install it beside packmill")
    try:
        yield
    except RunFailedError:
        try:
            write([html_page(task.document, report_mode=task.report_mode)])
        except Exception as error:  # noqa: BLE001 - what ended the run is what counts
            console.say(f"warning: no page: {error}")
        raise
    write([html_page(task.document, report_mode=task.report_mode)])


def html_page(document: Document, *, report_mode: bool) -> bytes:
    """The page; in ``report_mode`` without the code."""
    import nbformat
    from nbconvert import HTMLExporter

    nb = nbformat.reads(text_of(document.text()), as_version=4)
    exporter = HTMLExporter(
        exclude_input=report_mode, exclude_input_prompt=report_mode, exclude_output_prompt=report_mode
    )
    page, _ = exporter.from_notebook_node(nb)
    return str(page).encode()
