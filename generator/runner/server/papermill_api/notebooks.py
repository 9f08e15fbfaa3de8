"""The notebook of a request: in the served folder, or in one of the operator's S3 buckets."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from generator.notebook.interface import Interface
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.notebook.text_formats import as_notebook
from generator.runner.server.buckets import read_notebook_object
from generator.runner.server.catalogue import ServedNotebook, unavailable, unreadable
from generator.runner.server.context import Context
from generator.runner.server.papermill_api.requests import RunRequest
from generator.runner.server.problems import ProblemError
from generator.shared.errors import PackmillError
from generator.shared.passing_errors import is_shortage


@dataclass(frozen=True, slots=True)
class FoundNotebook:
    """A notebook, and its bytes if it is not in the served folder."""

    served: ServedNotebook
    data: bytes | None = None


async def find_notebook(context: Context, request: RunRequest) -> FoundNotebook:
    """Find the notebook of a request.

    A path without a location is one of the served folder, else of a bucket: its first part is the bucket, or the path
    is in the operator's first bucket.

    Raises:
        ProblemError: 404, it does not exist; 403, it is in another bucket; 400 or 502, S3 cannot be read; 503,
            the machine cannot read it now.
    """
    if request.location != "s3" and not request.notebook.startswith("s3://"):
        try:
            return FoundNotebook(context.catalogue.get(request.notebook))
        except ProblemError as problem:
            if problem.status != 404 or request.location == "local" or not context.storage.sources:
                raise
    address = context.storage.source(_address(context, request))
    data = await run_in_threadpool(read_notebook_object, address)
    return FoundNotebook(_understand(address, data), data)


def _address(context: Context, request: RunRequest) -> str:
    if request.notebook.startswith("s3://"):
        return request.notebook
    sources = context.storage.sources
    bucket = request.notebook.partition("/")[0]
    if request.location == "s3" or any(bucket == folder.bucket for folder in sources):
        return f"s3://{request.notebook}"
    return f"s3://{sources[0].bucket}/{request.notebook}"


def _understand(address: str, data: bytes) -> ServedNotebook:
    try:
        notebook = read_notebook(as_notebook(data, address), address)
        return ServedNotebook(path=address, notebook=notebook, interface=read_interface(notebook))
    except Exception as error:  # noqa: BLE001 - as in the catalogue
        if is_shortage(error):
            raise unavailable(address, error) from None
        problem = str(error) if isinstance(error, PackmillError) else unreadable(address, error)
        return ServedNotebook(path=address, notebook=None, interface=Interface(), error=problem)
