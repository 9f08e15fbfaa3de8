"""Render one notebook as HTML in a separate process, since its content may be hostile.

`generator.service.notebooks.pages` runs this file by path, in isolated mode (``python -I``). This docstring is the
protocol:

- **argument**: one JSON object with the fields of `RenderLimits`, which are applied before anything is read.
- **stdin**: the notebook. **stdout**: the page, a regular file, so that the limit on file sizes applies to it.
- **exit code**: 0 done, 3 not a notebook, 4 rendering failed, 5 out of memory, 6 page too large; a signal means that
  the limit on CPU time (SIGXCPU) or on time (SIGALRM) was exceeded.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import resource
import signal
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NOT_A_NOTEBOOK, FAILED, OUT_OF_MEMORY, TOO_LARGE = 3, 4, 5, 6
_IMAGE_FACTOR = 40
"""A base64 image may be this many times longer than text, since it is copied and not parsed."""


def apply_limits(limits: Mapping[str, Any]) -> None:
    """Limit this process and its children; without privileges they cannot raise the limits again."""
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu"], limits["cpu"] + 1))
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory"], limits["memory"]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["page"], limits["page"]))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))  # as generator.shared.core_dumps
    signal.alarm(limits["seconds"])


def shorten(notebook: Any, limits: Mapping[str, Any]) -> None:
    """Cut sources, outputs and cells at the limits, with a note in place of the rest."""
    notebook.metadata.pop("widgets", None)  # the state of widgets needs scripts, which the page may not run
    left = len(notebook.cells) - limits["cells"]
    del notebook.cells[limits["cells"] :]
    for cell in notebook.cells:
        cell.source = _shorten_text(cell.source, limits["text"])
        if "outputs" in cell:
            cell.outputs = [_shorten_output(output, limits["output"]) for output in cell.outputs[: limits["cells"]]]
    if left > 0:
        from nbformat.v4 import new_raw_cell

        notebook.cells.append(new_raw_cell(f"… {left} more cells are not shown"))


def _shorten_text(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[:longest]}\n\n… {len(text) - longest} more characters are not shown"


def _shorten_output(output: Any, longest: int) -> Any:
    if output.get("output_type") == "stream":
        output.text = _shorten_text(output.text, longest)
    elif output.get("output_type") == "error":
        output.traceback = [_shorten_text("\n".join(output.traceback), longest)]
    elif "data" in output:
        output.data = _shorten_data(output.data, longest)
    return output


def _shorten_data(data: Mapping[str, Any], longest: int) -> dict[str, Any]:
    """Return the representations of an output that are short enough; only plain text can be cut."""
    found: dict[str, Any] = {}
    dropped = []
    for kind, value in data.items():
        length = len(value) if isinstance(value, str) else len(json.dumps(value))
        if kind == "text/plain" and isinstance(value, str):
            found[kind] = _shorten_text(value, longest)
        elif length <= longest * (_IMAGE_FACTOR if kind.startswith("image/") and kind != "image/svg+xml" else 1):
            found[kind] = value
        else:
            dropped.append(f"{kind}, {length} characters")
    if dropped:
        note = f"… not shown: {'; '.join(dropped)}"
        found["text/plain"] = f"{found['text/plain']}\n{note}" if found.get("text/plain") else note
    return found


def render(text: bytes, limits: Mapping[str, Any]) -> bytes:
    """Return the notebook as a page that loads no external resource, with its formulas typeset.

    Raises:
        SystemExit: the text is not a notebook.
    """
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # an isolated process has no path of its own
    import nbformat

    from generator.shared.notebook_pages import PageExporter

    try:
        notebook = nbformat.reads(text.decode("utf-8"), as_version=4)
        shorten(notebook, limits)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - the file may be anything that a job wrote
        sys.exit(NOT_A_NOTEBOOK)
    exporter = PageExporter(require_js_url="", jquery_url="")
    return exporter.page(notebook).encode("utf-8", "replace")


def main() -> None:
    """Render the notebook on standard input."""
    limits = json.loads(sys.argv[1])
    apply_limits(limits)
    logging.disable()
    warnings.simplefilter("ignore")  # glued values have a media type that nbconvert does not know
    try:
        page = render(sys.stdin.buffer.read(), limits)
        sys.stdout.buffer.write(page)
        sys.stdout.buffer.flush()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except OSError as error:
        os._exit({errno.EFBIG: TOO_LARGE, errno.ENOMEM: OUT_OF_MEMORY}.get(error.errno or 0, FAILED))
    except Exception:  # noqa: BLE001 - as above
        os._exit(FAILED)


if __name__ == "__main__":
    main()
