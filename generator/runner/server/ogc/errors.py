"""Exceptions of the standard, as problem details (18-062r2, "HTTP Status Codes", requirements ``…-exception``)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute

from generator.runner.server.problems import ProblemError
from generator.runner.server.runs.model import Run, RunState

_KINDS = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
_NOT_OURS = frozenset({"internal-error"})
"""Reasons that are faults of the server, not of the notebook or its values."""


def no_such_process(identifier: str, why: str) -> ProblemError:
    """Return the exception for an unknown process."""
    detail = f"process {identifier!r}: {why}; GET /ogc/processes lists the processes"
    return ProblemError(404, detail, kind=f"{_KINDS}no-such-process")


def no_such_job(identifier: str) -> ProblemError:
    """Return the exception for an unknown job."""
    detail = f"job {identifier!r}: not found, or removed; GET /ogc/jobs lists the jobs"
    return ProblemError(404, detail, kind=f"{_KINDS}no-such-job")


def result_not_ready(run: Run) -> ProblemError:
    """Return the exception for the results of a job that has not ended."""
    detail = f"job {run.id!r}: {run.state.value}; ask again when its status is successful"
    return ProblemError(404, detail, kind=f"{_KINDS}result-not-ready", headers={"Retry-After": "1"})


def invalid_value(detail: str, issues: Sequence[str] = ()) -> ProblemError:
    """Return the exception for values that do not fit the process or the operation."""
    return ProblemError(400, detail, kind="InvalidParameterValue", issues=issues)


def no_results(run: Run) -> ProblemError:
    """Return the exception for the results of a job that failed or was dismissed: its type is the reason."""
    if run.state is RunState.DISMISSED:
        return ProblemError(410, f"job {run.id!r}: dismissed", kind="JobDismissed")
    reason = run.reason or "failed"
    if reason == "bad-inputs":
        return invalid_value(run.message or reason)
    status = run.status_code if run.status_code and 400 <= run.status_code < 500 else 422
    kind = "".join(word.capitalize() for word in reason.split("-"))
    return ProblemError(500 if reason in _NOT_OURS else status, run.message or reason, kind=kind)


class ExceptionRoute(APIRoute):
    """A route whose refusals by the code of all protocols are exceptions of the standard."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route."""
        handle = super().get_route_handler()

        async def handle_with_exceptions(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                issues = [f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()]
                raise invalid_value("the request is not valid", issues) from None
            except ProblemError as error:
                if error.status == 400 and error.kind is None:
                    raise invalid_value(error.detail, error.issues) from None
                raise
            except FileNotFoundError:  # another request removed the job meanwhile
                raise no_such_job(request.path_params.get("identifier", "")) from None

        return handle_with_exceptions
