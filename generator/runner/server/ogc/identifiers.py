"""Ids of processes: a notebook's path in one segment of an address: ``forest:trees`` for ``forest/trees.ipynb``.

Only a text notebook keeps its ending: ``forest:trees.qmd``.

Clients and proxies treat a slash in an id in different ways. A path that the short form cannot express, because it has
a colon, is its own id.
"""

from __future__ import annotations

from generator.notebook.text_formats import is_text_name
from generator.runner.server.catalogue import Catalogue, ServedNotebook
from generator.runner.server.ogc.errors import no_such_process
from generator.runner.server.problems import ProblemError

_ENDING = ".ipynb"


def process_id(path: str) -> str:
    """Return the id of a notebook."""
    return path if ":" in path else path.removesuffix(_ENDING).replace("/", ":")


def find_process(catalogue: Catalogue, identifier: str) -> ServedNotebook:
    """Return the notebook of an id; its path is an id, too.

    Raises:
        ProblemError: 404 (no-such-process), there is no such notebook, or it cannot run; 503, it cannot be read now.
    """
    short = identifier.replace(":", "/")
    for path in (identifier, *([short] if is_text_name(short) else []), short + _ENDING):
        try:
            found = catalogue.get(path)
        except ProblemError as problem:
            if problem.status != 404:
                raise
            continue
        if found.error is not None:
            raise no_such_process(identifier, found.error)
        return found
    raise no_such_process(identifier, "not found")
