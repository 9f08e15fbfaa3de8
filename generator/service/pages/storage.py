"""The page of what the service stores: its space by kind, the limits, and what was removed to stay within them."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Request, Response

from generator.service.context import context
from generator.service.pages.rendering import page
from generator.service.pages.sessions import session
from generator.service.retention.keeper import Keeper
from generator.shared.size_text import size_text

router = APIRouter()
_KINDS = {
    "artifacts": "Artifacts",
    "logs": "Logs",
    "pages": "Rendered notebooks",
    "uploads": "Uploaded files",
    "work": "Folders of running jobs",
    "cache": "Cache",
    "database": "Database and project",
}


@router.get("/storage")
def storage_page(request: Request) -> Response:
    """Show what the service stores."""
    keeper, who = context(request).keeper, session(request)
    kinds = [(_KINDS[name], size) for name, size in keeper.usage.by_kind().items()]
    return page(
        request,
        "storage.html",
        who,
        usage=keeper.usage,
        kinds=kinds,
        policy=keeper.policy,
        images=keeper.images,
        removed=keeper.removed,
        rules=list(_rules(keeper)),
        due=keeper.due,
    )


def _rules(keeper: Keeper) -> Iterator[str]:
    """Yield the limits as sentences."""
    policy = keeper.policy
    yield "Artifacts are removed when they expire, unless somebody keeps them."
    if policy.quota is not None:
        yield (
            f"Above {size_text(policy.quota)} of data, the oldest artifacts of ended pipelines are removed, and then "
            "the oldest ended pipelines. Kept artifacts, their pipelines, and unfinished pipelines stay; if they alone "
            "exceed the quota, new pipelines are refused."
        )
    if policy.older_than is not None:
        days = policy.older_than / 86400
        yield f"Pipelines that ended more than {days:g} days ago are removed, and images of that age that nothing uses."
    if policy.image_quota is not None:
        yield f"Above {size_text(policy.image_quota)} of images, the oldest are removed that nothing uses."
