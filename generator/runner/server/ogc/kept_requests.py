"""The part of an execute request that its results depend on, in the folder of the run: ``ogc.json``."""

from __future__ import annotations

import json

from generator.runner.server.ogc.request import ResultsRequest
from generator.runner.server.runs.folder import RunFolder
from generator.shared.json_text import json_text

_FILE = "ogc.json"


def keep_request(folder: RunFolder, request: ResultsRequest) -> None:
    """Write the request for results to the folder of its run."""
    (folder.path / _FILE).write_bytes(json_text(request.to_dict()))


def read_request(folder: RunFolder) -> ResultsRequest:
    """Return the request for results; all outputs in a document for a run that another protocol started."""
    try:
        return ResultsRequest.from_dict(json.loads((folder.path / _FILE).read_bytes()))
    except (OSError, ValueError):
        return ResultsRequest(response="document")
