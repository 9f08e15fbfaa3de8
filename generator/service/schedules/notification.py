"""The address that gets the ends of a schedule's pipelines, or of one run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial

import sqlalchemy as sa

from generator.service.context import Context
from generator.service.hooks.sending import check_address
from generator.service.schedules.checks import FieldError
from generator.service.store.database import Row, Within
from generator.service.store.hooks import Hooks
from generator.shared.errors import UsageError

_LONGEST_TOKEN, _LONGEST_URL = 1024, 2048


def checked_target(context: Context, given: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the address ``notify_url`` and its ``notify_token``, None without an address.

    Raises:
        FieldError: one of them is invalid, or the policy refuses the address.
    """
    url, token = given.get("notify_url", "").strip(), given.get("notify_token", "").strip()
    if not url:
        return None
    if len(url) > _LONGEST_URL:
        raise FieldError("notify_url", f"is longer than {_LONGEST_URL} characters")
    try:
        check_address(context.dispatcher.policy, url)
    except UsageError as error:
        raise FieldError("notify_url", str(error)) from None
    if not (token.isascii() and token.isprintable() and len(token) <= _LONGEST_TOKEN):
        raise FieldError("notify_token", f"must be at most {_LONGEST_TOKEN} printable ASCII characters")
    return url, token


def change_notification(context: Context, schedule: int, url: str, token: str) -> Within:
    """Return what changes where a schedule's ends are sent, in the transaction that changes the schedule.

    The token, and what the address does not show, stay unless replaced.
    """
    kept = context.hooks.notifications(schedule=schedule)
    if kept and url and url == shown_url(kept[0]):
        with suppress(UsageError):
            url, stored = context.hooks.secrets(kept[0])
            token = token or stored
    return partial(_replace, context.hooks, url=url, token=token)


def _replace(hooks: Hooks, connection: sa.Connection, schedule: int, *, url: str, token: str) -> None:
    hooks.replace_notification(connection, schedule, url=url, token=token)


def shown_url(hook: Row) -> str:
    """Return the address of a notification without its user, password and query."""
    return next((str(one["value"]) for one in hook["target"] if one["key"] == "url"), "")
