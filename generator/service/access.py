"""Who asks, and how often: tokens in headers or parameters, scopes, and a limit on requests."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

import sqlalchemy as sa
from fastapi import Request

from generator.service.answers import AnswerError, forbidden, unauthorized
from generator.service.store import tokens
from generator.service.store.database import Database, jobs, row
from generator.service.store.tokens import Identity


class RateLimit:
    """A bucket of requests for each caller that fills again steadily."""

    def __init__(self, *, per_minute: int) -> None:
        self._capacity, self._rate = float(per_minute), per_minute / 60
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._guard = threading.Lock()

    def take(self, caller: str) -> None:
        """Counts a request.

        Raises:
            AnswerError: 429, with the seconds to wait in Retry-After.
        """
        wait = self._taken(caller)
        if wait:
            headers = {"Retry-After": str(int(wait) + 1), "RateLimit-Limit": str(int(self._capacity))}
            raise AnswerError(429, {"message": {"error": "Retry later"}}, headers)

    def _taken(self, caller: str) -> float:
        now = time.monotonic()
        with self._guard:
            left, then = self._left.pop(caller, (self._capacity, now))
            left = min(self._capacity, left + (now - then) * self._rate)
            granted = left >= 1
            self._left[caller] = (left - 1 if granted else left, now)
            while len(self._left) > 10_000:
                self._left.popitem(last=False)
        return 0.0 if granted else max((1 - left) / self._rate, 0.01)


class Access:
    """Checks tokens for the API and the pages."""

    def __init__(self, database: Database, *, per_minute: int) -> None:
        self._database = database
        self._limit = RateLimit(per_minute=per_minute)
        self._failures = RateLimit(per_minute=60)

    def find(self, token: str, caller: str) -> Identity | None:
        """Whose token this is; a caller who guesses is slowed down.

        Raises:
            AnswerError: 429.
        """
        found = tokens.find(self._database, token) if token else None
        if found is None:
            self._failures.take(caller)
            return None
        self._limit.take(f"token {found.id}")
        return found

    def of_job(self, token: str) -> Identity | None:
        """The running job whose ``CI_JOB_TOKEN`` this is."""
        with self._database.reading() as connection:
            wanted = jobs.c.token_hash == tokens.digest(token)
            job = row(connection, sa.select(jobs.c.id, jobs.c.status).where(wanted))
        if job is None or job["status"] not in ("running", "canceling"):
            return None
        return Identity(id=0, name=f"job {job['id']}", scopes=frozenset(("read_api",)))

    def reader(self, request: Request) -> Identity:
        """Who asks, if they may read.

        Raises:
            AnswerError: 401, 403 or 429.
        """
        found = self._identity(request)
        if not found.may_read:
            forbidden()
        return found

    def writer(self, request: Request) -> Identity:
        """Who asks, if they may change something.

        Raises:
            AnswerError: 401, 403 or 429.
        """
        found = self._identity(request)
        if not found.may_write:
            forbidden()
        return found

    def _identity(self, request: Request) -> Identity:
        job_token = request.headers.get("job-token") or request.query_params.get("job_token")
        token = _token(request)
        found = None
        if job_token:
            found = self.of_job(job_token)
        if found is None:
            found = self.find(token or job_token or "", client(request))
        if found is None:
            unauthorized()
        return found


def client(request: Request) -> str:
    """The address of whoever asks."""
    return request.client.host if request.client else "unknown"


def _token(request: Request) -> str:
    """The access token of a request, wherever clients put it."""
    bearer = request.headers.get("authorization", "")
    return (
        request.headers.get("private-token")
        or (bearer[7:].strip() if bearer.lower().startswith("bearer ") else "")
        or request.query_params.get("private_token", "")
        or request.query_params.get("access_token", "")
    )
