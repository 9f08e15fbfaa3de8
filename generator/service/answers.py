"""Answers that are no success: the exception that any depth may raise, and the words that GitLab uses."""

from __future__ import annotations

from typing import Any, NoReturn


class AnswerError(Exception):
    """Ends a request with a status and a JSON body."""

    def __init__(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.body, self.headers = status, body, headers or {}


def unauthorized() -> NoReturn:
    """No token, or none that is valid."""
    raise AnswerError(401, {"message": "401 Unauthorized"})


def forbidden(detail: str = "") -> NoReturn:
    """A token whose scopes do not reach this far, or a job that does not allow it."""
    raise AnswerError(403, {"message": f"403 Forbidden{f' - {detail}' if detail else ''}"})


def not_found(what: str = "") -> NoReturn:
    """Nothing of that name."""
    raise AnswerError(404, {"message": f"404 {what} Not Found" if what else "404 Not Found"})


def bad_parameter(message: str) -> NoReturn:
    """A parameter that GitLab's validation refuses."""
    raise AnswerError(400, {"error": message})
