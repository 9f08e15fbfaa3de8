"""The caller of the request that is being answered, and the kernels that are its own."""

from __future__ import annotations

from contextvars import ContextVar

from generator.runner.server.access import Identity

caller: ContextVar[Identity | None] = ContextVar("caller", default=None)
"""Set for each request, before its handler runs in a task with a copy of the context; None outside of requests."""


def owner_of_new_kernel() -> str:
    """Return the name of the caller's token; empty without one."""
    identity = caller.get()
    return identity.name if identity else ""


def may_see(owner: str) -> bool:
    """Return whether the caller may use the kernels of an owner; those without one are for everybody."""
    identity = caller.get()
    return identity is None or identity.owner is None or owner in ("", identity.owner)
