"""The executed notebook as an HTML page, by nbconvert."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from generator.runner.document.document import Document, join_text
from generator.runner.document.saving import Write
from generator.runner.execution.page_outputs import PageOutputs, find_plotly
from generator.runner.execution.task import ProgressOutput, Task
from generator.shared.failures import BadInputsError, RunFailedError

_HARMLESS = ("unavailable, falling back", "No lexer found")
"""Warnings of nbconvert about colors of the code."""


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
            _write_page(task, write, console)
        except Exception as error:  # noqa: BLE001 - the run's own failure is raised
            console.say(f"warning: the HTML page cannot be written: {error}")
        raise
    _write_page(task, write, console)


def _write_page(task: Task, write: Write, console: ProgressOutput) -> None:
    """Write the page; an output of a form that nbconvert does not expect, such as a number as text, is a warning."""
    try:
        page = _page_of(task, console)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - of any kind: no output of a notebook makes a run fail that succeeded
        console.say(f"warning: no HTML page, which nbconvert cannot make: {type(error).__name__}: {error}")
        return
    write([page])


def _page_of(task: Task, console: ProgressOutput) -> bytes:
    outputs = PageOutputs(find_plotly(task.kernel.argv[0]) if task.kernel.argv else None)
    page = html_page(task.document, outputs, report_mode=task.report_mode, say=console.say)
    if outputs.missing:
        kinds = ", ".join(sorted(set(outputs.missing)))
        console.say(f"warning: the HTML page cannot show outputs of type {kinds}; the executed notebook has them")
    return page


def html_page(document: Document, outputs: PageOutputs, *, report_mode: bool, say: Callable[[str], None]) -> bytes:
    """Render the page; ``report_mode`` hides the code, ``say`` gets warnings."""
    import warnings

    import nbformat

    from generator.shared.notebook_pages import PageExporter

    nb = nbformat.reads(join_text(document.text()), as_version=4)
    outputs.change(nb)
    exporter = PageExporter(
        exclude_input=report_mode, exclude_input_prompt=report_mode, exclude_output_prompt=report_mode
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        page = exporter.page(nb)
    for text in dict.fromkeys(str(one.message).strip().splitlines()[0] for one in caught if str(one.message).strip()):
        if not any(word in text for word in _HARMLESS):
            say(f"warning: the HTML page: {text}")
    return page.replace("</head>", f"{outputs.script()}</head>", 1).encode()
