"""HTTP statuses of failed runs, for protocols that answer a request with its run."""

from __future__ import annotations

_STATUSES = {
    "bad-inputs": 400,
    "process-missing": 404,
    "dismissed": 409,
    "internal-error": 500,
    "interrupted": 503,
    "staging-failed": 502,
    "disk-full": 507,
}


def status_of_failure(reason: str) -> int:
    """Return the status for the reason of a failed run, or for its state; 422 for what the notebook did."""
    return _STATUSES.get(reason, 422)
