"""Error responses as pages, for clients that prefer them."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from generator.runner.server.pages.negotiation import wants_page
from generator.runner.server.pages.rendering import page
from generator.runner.server.pages.signing_in import sign_in_address
from generator.runner.server.problems import ProblemError


def error_response(request: Request, problem: ProblemError) -> Response:
    """Return an error response in the form that the client prefers; browsers without a session get to sign in."""
    if not wants_page(request):
        return problem.response()
    if problem.status == 401 and request.method == "GET":
        return RedirectResponse(sign_in_address(request), status_code=303)
    response = page(request, "problem.html", status=problem.status, problem=problem)
    response.headers.update(problem.headers)
    return response
