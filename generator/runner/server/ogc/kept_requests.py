"""The part of an execute request that its results depend on, in the folder of the run: ``ogc.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.runner.server.ogc.request import ResultsRequest
from generator.runner.server.runs.folder import RunFolder, read_object
from generator.shared.json_text import json_text


def keep_request(folder: RunFolder, request: ResultsRequest) -> None:
    """Write the request for results to the folder of its run."""
    folder.results_request_file.write_bytes(json_text(request.to_dict()))


def read_request(folder: RunFolder) -> ResultsRequest:
    """Return the request for results.

    Without one, as of a run that another protocol started, or of another form than `keep_request` writes, as a notebook
    can, that is all outputs in a document.
    """
    kept = read_object(folder.results_request_file)
    return ResultsRequest.from_dict(kept) if _is_request(kept) else ResultsRequest(response="document")


def _is_request(kept: Mapping[str, Any]) -> bool:
    if not kept or kept.get("response") not in (None, "raw", "document"):
        return False
    outputs = kept.get("outputs")
    return outputs is None or (isinstance(outputs, dict) and all(isinstance(mode, str) for mode in outputs.values()))
