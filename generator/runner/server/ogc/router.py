"""All routes of the API, below `generator.runner.server.ogc.addresses.prefix`."""

from __future__ import annotations

from fastapi import APIRouter

from generator.runner.server.ogc import execution, jobs, landing, processes
from generator.runner.server.ogc.addresses import prefix

router = APIRouter(prefix=prefix)
for part in (landing, execution, processes, jobs):
    router.include_router(part.router)
