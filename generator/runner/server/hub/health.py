"""Whether the service, the hub and papermill are ready."""

from __future__ import annotations

from typing import Any

from generator.runner.server.home_api.papermill import papermill_state
from generator.runner.server.hub.context import HubContext


async def examine(context: HubContext) -> tuple[int, dict[str, Any]]:
    """Return the HTTP status and the body of ``/health``: the members of a home's, and the hub's state."""
    hub, papermill = await context.hub.is_available(), papermill_state()
    healthy = hub and papermill["papermill_available"] and not context.draining
    body = {"status": "healthy" if healthy else "unhealthy", "hub_available": hub, **papermill}
    return 200 if healthy else 503, body
