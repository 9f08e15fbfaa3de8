"""papermill-api's members of error responses."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from generator.runner.server.problems import ProblemError
from generator.shared.failures import BadInputsError


class MessageRoute(APIRoute):
    """A route whose errors have ``message``, as papermill-api's do."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route."""
        handle = super().get_route_handler()

        async def handle_with_message(request: Request) -> Response:
            try:
                return await handle(request)
            except BadInputsError as error:  # of templates
                raise _with_message(ProblemError(400, str(error))) from None
            except ProblemError as error:
                raise _with_message(error) from None

        return handle_with_message


def no_template(name: str) -> ProblemError:
    """Return the error for an unknown template of a run, as papermill-api has it."""
    detail = f"No template: {name}"
    return ProblemError(404, detail, members={"error": detail})


def _with_message(error: ProblemError) -> ProblemError:
    message = "; ".join((error.detail, *error.issues))
    error.members = {"message": message, **error.members}
    return error
