"""Everything that a request handler of the service needs: one value at ``request.app.state.context``."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import Request

from generator.runner.server.hub.guard import Guard
from generator.runner.server.hub.hub_api import HubApi
from generator.runner.server.hub.metrics import HubMetrics
from generator.runner.server.hub.schedule_memory import ScheduleMemory
from generator.runner.server.hub.sessions import Sessions
from generator.runner.server.hub.user_servers import UserServers


@dataclass(frozen=True, kw_only=True, slots=True)
class BodyLimits:
    """The largest bodies of requests, in bytes."""

    body: int
    upload: int


@dataclass(kw_only=True, slots=True)
class HubContext:
    """The parts of one service."""

    base_url: str
    """The path of the service without a slash at its end."""
    home: str | None
    """The template of users' homes, if they share a system user."""
    hub: HubApi
    sessions: Sessions
    access: Guard
    servers: UserServers
    memory: ScheduleMemory
    limits: BodyLimits
    metrics: HubMetrics = field(default_factory=HubMetrics)
    draining: bool = False
    """Whether the service is shutting down."""

    def address(self, path: str) -> str:
        """Return the address of a resource, as clients have to call it, for its path in this service."""
        return f"{self.base_url}{path}"


def hub_context(request: Request) -> HubContext:
    """Return the context of a request's application."""
    context: HubContext = request.app.state.context
    return context
