"""Sessions: which kernel belongs to which notebook of a client."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakValueDictionary

from kernel_gateway.services.sessions.sessionmanager import SessionManager
from tornado import web

from generator.runner.server.gateway.websocket.callers import may_see, owner_of_new_kernel


class Sessions(SessionManager):  # type: ignore[misc]
    """Sessions, of which a caller sees those whose kernels it may use.

    The Kernel Gateway's are written for an older Jupyter Server, whose handlers do not wait for their results.
    """

    _sessions: list[dict[str, Any]]

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self._creating: WeakValueDictionary[tuple[str, Any], asyncio.Lock] = WeakValueDictionary()

    async def create_session(self, path: Any = None, *words: Any, **options: Any) -> Any:
        """Start the kernel of a new session and return the session's model; requests at once for a path share one."""
        lock = self._creating.setdefault((owner_of_new_kernel(), path), asyncio.Lock())
        async with lock:
            if row := self.get_session_by_key("path", path):
                return self.row_to_model(row)
            return await super().create_session(path, *words, **options)

    async def get_session(self, **key: Any) -> Any:
        """Return a session by its path or id; raises as in the Kernel Gateway."""
        return super().get_session(**key)

    async def update_session(self, session_id: str, *_: Any, **changes: Any) -> None:
        """Change the path or the kernel of a session; raises as in the Kernel Gateway.

        Raises:
            HTTPError: 404, the kernel is another caller's.
        """
        kernel = changes.get("kernel_id")
        if kernel is not None and not may_see(self.kernel_manager.owner_of(kernel)):
            raise web.HTTPError(404, f"Kernel does not exist: {kernel}")
        super().update_session(session_id, **{name: value for name, value in changes.items() if name in self._columns})

    def save_session(self, session_id: str, path: Any = None, kernel_id: Any = None, *_: Any, **__: Any) -> Any:
        """Store a session and return its model."""
        row = {"session_id": session_id, "path": path, "kernel_id": kernel_id}
        self._sessions.append(row)
        return self.row_to_model(row)

    async def delete_session(self, session_id: str, *_: Any, **__: Any) -> None:
        """End the kernel of a session, and remove the session.

        Raises:
            KeyError: there is no such session.
        """
        row = self.get_session_by_key("session_id", session_id)
        if row is None:
            raise KeyError(session_id)
        await self.kernel_manager.shutdown_kernel(row["kernel_id"])
        self._sessions = [one for one in self._sessions if one is not row]  # a list may have dropped it meanwhile

    def row_to_model(self, row: dict[str, Any], *words: Any, **options: Any) -> Any:
        """Return the model of a session, with what Jupyter Server has in it."""
        path = {"path": row["path"], "name": "", "type": "notebook"}
        return {**super().row_to_model(row, *words, **options), **path}

    def get_session_by_key(self, key: str, val: Any, *_: Any, **__: Any) -> dict[str, Any] | None:
        """Return the first session with a value that the caller may see; None without one."""
        return next((row for row in self._visible() if row[key] == val), None)

    def session_exists(self, path: str, *_: Any, **__: Any) -> bool:
        """Return whether the caller has a session of a path."""
        return self.get_session_by_key("path", path) is not None

    def list_sessions(self, *_: Any, **__: Any) -> list[Any]:
        """Return the sessions of the caller."""
        return [self.row_to_model(row) for row in self._visible()]

    def _visible(self) -> list[dict[str, Any]]:
        """Return rows, without those whose kernel has ended: listing them would fail in the Kernel Gateway."""
        self._sessions = [row for row in self._sessions if row["kernel_id"] in self.kernel_manager]
        return [row for row in self._sessions if may_see(self.kernel_manager.owner_of(row["kernel_id"]))]
