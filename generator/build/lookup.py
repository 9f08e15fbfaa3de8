"""Look up what a form offers before a build: branches, tags, processes, and the interface of the chosen ones.

Only the files that describe the processes are fetched, and nothing is run.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from generator.build.address_checks import check_addresses
from generator.build.inspect import describe
from generator.documents.missing_examples import missing_examples
from generator.environment.checkout import read_environment
from generator.process.process import read_process
from generator.process.undeclared import describe_undeclared
from generator.process.unread_environment import describe_unread
from generator.repository.listing import ListedRepository, Listing, files_near, listed_repository
from generator.repository.process_folders import default_process
from generator.request.build import BuildRequest, check_localities
from generator.request.credentials import fetch_token
from generator.request.settings import read_settings
from generator.shared.errors import PackmillError

_MOST_NAMES, _MOST_PROCESSES, _MOST_INTERFACES = 300, 200, 5
_ENDINGS = (".ipynb", ".qmd", ".rmd", ".sh")
"""Of files that are probably processes; among ``.py`` and ``.md``, few are."""


def look_up(request: BuildRequest, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return what the repository of a request offers; ``problem`` is the error that ended the search, if any.

    ``variables`` has the settings for git.
    """
    found: dict[str, Any] = {"default": "", "branches": [], "tags": [], "commit": "", "processes": [], "more": 0}
    found |= {"interfaces": [], "problem": None}
    try:
        settings = read_settings(variables)
        check_localities(request, settings)
        check_addresses(replace(request, registry=None, destination=None, platform=None), settings)
        token = fetch_token(request.repository, settings)
        with TemporaryDirectory(prefix="packmill-") as temporary:
            folder = Path(temporary, "repository")
            with listed_repository(request.repository, folder, token=token, policy=settings.repositories) as listed:
                references = listed.references
                found["default"] = references.default
                found["branches"] = list(references.branches[:_MOST_NAMES])
                found["tags"] = list(references.tags[:_MOST_NAMES])
                listing = listed.list_files(request.checkout)
                processes = _processes(listing.paths)
                found["commit"] = listing.commit
                found["processes"], found["more"] = processes[:_MOST_PROCESSES], len(processes[_MOST_PROCESSES:])
                found["interfaces"] = _interfaces(listed, listing, request, processes)
    except PackmillError as error:
        found["problem"] = error.to_dict()
    return found


def _processes(paths: Iterable[str]) -> list[str]:
    """Return the paths of likely processes: notebooks before scripts, those at the top first."""
    likely = [
        path
        for path in paths
        if path.lower().endswith(_ENDINGS) and not any(part.startswith(".") for part in path.split("/"))
    ]
    return sorted(likely, key=lambda path: (path != default_process, path.endswith(".sh"), path.count("/"), path))


def _interfaces(
    listed: ListedRepository, listing: Listing, request: BuildRequest, offered: list[str]
) -> list[dict[str, Any]]:
    """Return the interface of each chosen process; of the only notebook, if none is chosen and the default is missing.

    An interface that cannot be read is an object with ``process`` and ``problem``.
    """
    chosen = request.processes
    notebooks = [path for path in offered if not path.endswith(".sh")]
    if chosen == (default_process,) and default_process not in listing.paths and notebooks:
        chosen = tuple(notebooks[:1]) if len(notebooks) == 1 else ()
    chosen = tuple(map(posixpath.normpath, chosen[:_MOST_INTERFACES]))
    wanted = dict.fromkeys(path for process in chosen for path in files_near(listing.paths, process))
    folder = listed.check_out_some(listing, wanted) if chosen else Path()
    return [_interface(folder, process, request) for process in chosen]


def _interface(folder: Path, path: str, request: BuildRequest) -> dict[str, Any]:
    try:
        process = read_process(folder, path, request.choices)
        process = replace(process, resources=request.resources.over(process.resources))
        environment = read_environment(folder, standard=request.standard)
        missing = describe_unread(process, environment, folder) or describe_undeclared(process, environment, folder)
        general = (*environment.remarks, *((missing,) if missing and not request.environment else ()))
        described = describe(process, environment.files, general, missing_examples(folder, process))
    except PackmillError as error:
        return {"process": path, "problem": error.to_dict()}
    return {**described, "problem": None}
