"""The context that documents are emitted from, for a notebook with one cell."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from support import notebook

from generator.documents.context import DocumentContext
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.process.process import Process
from generator.repository.source import Source


def context_of(cell: str, *, address: str = "") -> DocumentContext:
    """Return the context of a notebook with this parameters cell."""
    interface = read_interface(read_notebook(json.dumps(notebook(cell)).encode(), "process.ipynb"))
    process = Process(path="process.ipynb", language="python", kernel="python3", interface=interface)
    return context_of_process(process, address=address)


def context_of_process(process: Process, *, address: str = "", emits: tuple[str, ...] = ()) -> DocumentContext:
    """Return the context of a process, of a repository at a fixed commit."""
    source = Source(
        address="https://example.org/a/b",
        owner="a",
        name="b",
        checkout="main",
        commit="0" * 40,
        message="m",
        time=datetime(2026, 1, 1, tzinfo=timezone.utc),
    )
    return DocumentContext(process=process, source=source, image="a.b:main", address=address, emits=emits)
