"""Authentication and rate limits: tokens in headers or parameters, their scopes, and requests per minute."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import Request

from generator.service.http_errors import HttpError, raise_forbidden, raise_unauthorized
from generator.service.store import audit, tokens
from generator.service.store.database import Database, jobs, row
from generator.service.store.tokens import Identity
from generator.shared.rate_limits import RateLimit

_MOST_NOTED = 10
"""Failed attempts to sign in that the audit log gets in a minute: nothing is removed from it."""


class Access:
    """Checks tokens for the API and the pages."""

    def __init__(self, database: Database, *, per_minute: int) -> None:
        self._database = database
        self._limit = RateLimit(per_minute=per_minute)
        self._failures = RateLimit(per_minute=60)
        self._noted, self._noted_of_all = RateLimit(per_minute=1), RateLimit(per_minute=_MOST_NOTED)

    def find(self, token: str, caller: str) -> Identity | None:
        """Return the identity of a token, None if it is invalid; callers who guess are rate-limited.

        Raises:
            HttpError: 429, too many requests or too many invalid tokens.
        """
        found = tokens.find(self._database, token) if token else None
        if found is None:
            _count(self._failures, caller)
            return None
        _count(self._limit, f"token {found.id}")
        return found

    def find_job_identity(self, token: str) -> Identity | None:
        """Return the identity of the running job with this ``CI_JOB_TOKEN``; None if there is no such job."""
        job = self._running_job(token)
        return Identity(id=0, name=f"job {job}", scopes=frozenset((tokens.JOB,))) if job else None

    def own_job(self, request: Request) -> int | None:
        """Return the number of the running job that sends a request, None if another client does.

        Raises:
            HttpError: 401 without a valid token, 403 without the scope to read, or 429 over the limit.
        """
        given = request.headers.get("job-token") or request.query_params.get("job_token") or _token(request)
        job = self._running_job(given) if given else None
        if job is None:
            self.require_reader(request)
        return job

    def _running_job(self, token: str) -> int | None:
        with self._database.connection() as connection:
            condition = jobs.c.token_hash == tokens.digest(token)
            job = row(connection, sa.select(jobs.c.id, jobs.c.status).where(condition))
        return int(job["id"]) if job and job["status"] in ("running", "canceling") else None

    def require_reader(self, request: Request) -> Identity:
        """Return the identity of a request that may read.

        Raises:
            HttpError: 401 without a valid token, 403 without the scope to read, or 429 over the limit.
        """
        found = self._identity(request)
        return _require(found, is_allowed=found.may_read)

    def require_fetcher(self, request: Request) -> Identity:
        """Return the identity of a request that downloads artifacts or uploaded files, which jobs may do, too.

        Raises:
            HttpError: 401 without a valid token, 403 without the scope to read, or 429 over the limit.
        """
        found = self._identity(request)
        return _require(found, is_allowed=found.may_fetch)

    def require_writer(self, request: Request) -> Identity:
        """Return the identity of a request that may change something.

        Raises:
            HttpError: 401 without a valid token, 403 without the scope to write, or 429 over the limit.
        """
        found = self._identity(request)
        return _require(found, is_allowed=found.may_write)

    def require_admin(self, request: Request) -> Identity:
        """Return the identity of a request that deletes, is about hooks, or reads the audit log.

        Raises:
            HttpError: 401 without a valid token, 403 without the scope ``api`` or the role ``admin``, or 429.
        """
        found = self._identity(request)
        return _require(found, is_allowed=found.may_administer)

    def note_failure(self, caller: str) -> None:
        """Add a failed attempt to sign in to the audit log: once a minute for an address, and ten of all addresses."""
        if not self._noted.take(caller) and not self._noted_of_all.take("all"):
            tokens.note_failed_sign_in(self._database, caller)

    def _identity(self, request: Request) -> Identity:
        job_token = request.headers.get("job-token") or request.query_params.get("job_token")
        token = _token(request)
        found = None
        if job_token:
            found = self.find_job_identity(job_token)
        if found is None:
            found = self.find(token or job_token or "", client_address(request))
        if found is None:
            raise_unauthorized()
        audit.note_author(found.author(client_address(request)))
        return found


def _count(limit: RateLimit, caller: str) -> None:
    """Count a request.

    Raises:
        HttpError: 429, the caller is over the limit; Retry-After has the seconds to wait.
    """
    wait = limit.take(caller)
    if wait:
        headers = {"Retry-After": str(int(wait) + 1), "RateLimit-Limit": str(limit.per_minute)}
        raise HttpError(429, {"message": {"error": "Retry later"}}, headers)


def client_address(request: Request) -> str:
    """Return the address that a request comes from."""
    return request.client.host if request.client else "unknown"


def _token(request: Request) -> str:
    """Return the access token of a request from any header or parameter that GitLab accepts."""
    bearer = request.headers.get("authorization", "")
    return (
        request.headers.get("private-token")
        or (bearer[7:].strip() if bearer.lower().startswith("bearer ") else "")
        or request.query_params.get("private_token", "")
        or request.query_params.get("access_token", "")
    )


def _require(identity: Identity, *, is_allowed: bool) -> Identity:
    if not is_allowed:
        raise_forbidden()
    return identity
