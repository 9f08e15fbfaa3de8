"""Convert hooks and their deliveries to the JSON objects of GitLab's API."""

from __future__ import annotations

from typing import Any

from generator.service.hooks.dispatcher import Dispatcher
from generator.service.jobs.environment import iso
from generator.service.store.database import Row
from generator.service.store.outbox import JOB, PIPELINE

_OTHER_EVENTS = (
    "push_events tag_push_events merge_requests_events issues_events confidential_issues_events note_events "
    "confidential_note_events wiki_page_events deployment_events releases_events milestone_events "
    "feature_flag_events resource_access_token_events resource_deploy_token_events repository_update_events"
).split()
"""GitLab's events that never happen here."""


def hook_entity(hook: Row, project: int) -> dict[str, Any]:
    """Return a hook; its token is only present or not, its address has no user, password and query."""
    given = {one["key"]: one["value"] for one in hook["target"]}
    return {
        "id": hook["id"],
        "url": given["url"],
        "name": hook["name"],
        "description": hook["description"],
        "created_at": iso(hook["created_at"]),
        "project_id": project,
        **dict.fromkeys(_OTHER_EVENTS, False),
        PIPELINE: PIPELINE in hook["events"],
        JOB: JOB in hook["events"],
        "push_events_branch_filter": None,
        "branch_filter_strategy": "wildcard",
        "enable_ssl_verification": hook["verify"],
        "alert_status": "executable",
        "disabled_until": None,
        "url_variables": [],
        "custom_headers": [],
        "custom_webhook_template": None,
        "token_present": bool(given["token"]),
    }


def delivery_entity(hook: Row, delivery: Row, dispatcher: Dispatcher) -> dict[str, Any]:
    """Return an entry of the log: an event with the latest attempt to deliver it."""
    url, token = (next(one["value"] for one in hook["target"] if one["key"] == key) for key in ("url", "token"))
    pending = delivery["status"] == "pending"
    return {
        "id": delivery["id"],
        "url": url,
        "trigger": {JOB: "job_hooks", PIPELINE: "pipeline_hooks"}[delivery["event"]],
        "status": delivery["status"],
        "attempts": delivery["attempts"],
        "created_at": iso(delivery["created_at"]),
        "next_attempt_at": iso(delivery["next_attempt_at"]) if pending else None,
        "request_headers": dispatcher.headers(hook, delivery, "[REDACTED]" if token else ""),
        "request_data": dispatcher.payloads.body(delivery["event"], delivery["happened"]),
        "response_headers": delivery["response_headers"] or {},
        "response_body": delivery["response_body"] or "",
        "response_status": str(delivery["response_status"]) if delivery["response_status"] else "internal error",
        "execution_duration": delivery["seconds"],
        "error": delivery["error"] or None,
    }
