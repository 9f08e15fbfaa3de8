"""Create a schedule with everything that belongs to it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from generator.service.context import Context
from generator.service.schedules.checks import package_job
from generator.service.store.schedules import MOST, SHARE
from generator.service.store.tokens import Identity


def create_schedule(
    context: Context, variables: list[dict[str, Any]], *, user: Identity, target: tuple[str, str] | None, **fields: Any
) -> int | None:
    """Create a schedule, with the address and token to notify, and keep its package; return None if there are too many.

    All of it is stored, or nothing.
    """

    def notify(connection: sa.Connection, number: int) -> None:
        if target:
            context.hooks.add_notification(connection, url=target[0], token=target[1], schedule=number)

    return context.schedules.create(
        variables,
        **fields,
        user=user.name,
        user_id=user.id,
        share=MOST if user.may_administer else SHARE,
        package=package_job(variables),
        within=notify,
    )
