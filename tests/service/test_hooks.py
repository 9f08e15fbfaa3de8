"""Hooks: who is notified, of what, how often, and what stays secret."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import gitlab
import pytest
from ci_service import ACCESS, TRIGGER, Service
from waiting import wait_until

_SECRET = "a secret of the receiver"


@dataclass
class Receiver:
    """A server that receives events; ``answers`` are the statuses of its next responses, then 200."""

    port: int = 0
    received: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        return [body for _, body in self.received if body["object_kind"] == kind]

    def statuses(self, pipeline: int) -> list[str]:
        found = [body["object_attributes"] for body in self.bodies("pipeline")]
        return [one["status"] for one in found if one["id"] == pipeline]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    mine = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            # The answer is chosen first: a test that waits for ``received`` may then set the next one.
            status = mine.answers.pop(0) if mine.answers else 200
            mine.received.append((dict(self.headers), json.loads(body)))
            names = ("X-Gitlab-Token", "Authorization")
            echo = " ".join([*(self.headers.get(name, "") for name in names), self.path]).encode()
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", str(len(echo)))
            self.end_headers()
            self.wfile.write(echo)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        mine.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield mine
        server.shutdown()
        thread.join()


@pytest.fixture
def hooks(service: Service) -> Iterator[Any]:
    """The hooks as python-gitlab has them; those that a test leaves are removed."""
    manager = gitlab.Gitlab(service.url, private_token=ACCESS).projects.get(1).hooks
    yield manager
    for hook in manager.list(get_all=True):
        hook.delete()


def _events(service: Service, hook: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.get(f"/hooks/{hook}/events")
    return found


def test_a_receiver_is_notified_of_every_status_of_a_pipeline_and_its_jobs(
    service: Service, hooks: Any, receiver: Receiver
) -> None:
    hook = hooks.create({"url": receiver.url, "token": _SECRET, "pipeline_events": True, "job_events": True})
    number = service.trigger(script="exit 3", repository="https://ada:hidden@example.org/x.git")
    service.wait(number)
    wait_until(lambda: receiver.statuses(number)[-1:] == ["failed"], message="the last event arrives")

    assert receiver.statuses(number) == ["pending", "running", "failed"]
    headers, body = next(one for one in reversed(receiver.received) if one[1]["object_kind"] == "pipeline")
    assert headers["X-Gitlab-Event"] == "Pipeline Hook"
    assert headers["X-Gitlab-Token"] == _SECRET
    assert headers["Content-Type"] == "application/json"
    assert body["object_attributes"]["url"].endswith(f"/ada/toy/-/pipelines/{number}")
    assert body["object_attributes"]["stages"] == ["first", "second"]
    assert [(one["name"], one["status"]) for one in body["builds"]] == [("one", "failed"), ("two", "skipped")]
    assert (body["commit"]["title"], body["project"]["path_with_namespace"]) == ("A pipeline", "ada/toy")
    assert "hidden" not in json.dumps(body)
    mine = [job for job in receiver.bodies("build") if job["pipeline_id"] == number and job["build_name"] == "one"]
    assert [job["build_status"] for job in mine] == ["pending", "running", "failed"]
    assert mine[-1]["build_failure_reason"] == "script_failure"
    keys = [headers["Idempotency-Key"] for headers, _ in receiver.received]
    assert len(keys) == len(set(keys))
    wait_until(
        lambda: {one["status"] for one in _events(service, hook.id)} == {"delivered"},
        message="the log has each delivery",
    )


def test_a_hook_gets_the_events_that_it_is_for(service: Service, hooks: Any, receiver: Receiver) -> None:
    hook = hooks.create({"url": receiver.url, "job_events": True})
    hook.job_events, hook.pipeline_events, hook.name = False, True, "chat"
    hook.save()
    number = service.trigger()
    service.wait(number)
    wait_until(lambda: receiver.statuses(number)[-1:] == ["success"], message="the last event arrives")

    assert receiver.bodies("build") == []
    assert (hooks.get(hook.id).name, hooks.get(hook.id).job_events) == ("chat", False)
    hook.delete()
    assert service.ask("GET", f"/hooks/{hook.id}").status_code == 404


def test_an_event_is_sent_again_until_it_is_accepted(service: Service, hooks: Any, receiver: Receiver) -> None:
    receiver.answers = [503]
    hook = hooks.create({"url": receiver.url, "pipeline_events": True})
    number = service.trigger()
    service.wait(number)
    wait_until(lambda: len(receiver.statuses(number)) == 4, message="the refused event arrives again")

    again = [headers["Idempotency-Key"] for headers, _ in receiver.received]
    assert len(set(again)) == 3
    assert sorted(receiver.statuses(number)) == ["pending", "pending", "running", "success"]
    wait_until(
        lambda: (
            sorted((one["status"], one["attempts"]) for one in _events(service, hook.id))
            == [("delivered", 1), ("delivered", 1), ("delivered", 2)]
        ),
        message="all is logged",
    )


def test_a_refusal_and_a_redirect_are_final(service: Service, hooks: Any, receiver: Receiver) -> None:
    hook = hooks.create({"url": receiver.url, "pipeline_events": True})
    service.wait(service.trigger())
    wait_until(lambda: len(receiver.received) == 3, message="the events arrive")
    for status in (400, 307):
        receiver.answers = [status]
        with pytest.raises(gitlab.GitlabHookTestError, match=str(status)):
            hook.test("pipeline_events")
    hook.test("job_events")

    assert len(receiver.received) == 6
    log = _events(service, hook.id)
    assert [one["response_status"] for one in log[:3]] == ["200", "307", "400"]
    assert [one["status"] for one in log[:3]] == ["delivered", "failed", "failed"]
    filtered = {
        status: [one["response_status"] for one in service.get(f"/hooks/{hook.id}/events?status={status}")]
        for status in ("client_failure", "307", "server_failure")
    }
    assert filtered == {"client_failure": ["400"], "307": ["307"], "server_failure": []}
    assert len(service.get(f"/hooks/{hook.id}/events?status=successful")) == 4
    assert service.ask("GET", f"/hooks/{hook.id}/events?status=odd").status_code == 400
    again = service.ask("POST", f"/hooks/{hook.id}/events/{log[1]['id']}/resend")
    assert (again.status_code, again.json()) == (201, {"response_status": 200})


def test_the_token_and_secrets_of_the_address_are_shown_nowhere(
    service: Service, hooks: Any, receiver: Receiver
) -> None:
    url = receiver.url.replace("127", "ada:hidden-word@127") + "?key=hidden-too"
    hook = hooks.create({"url": url, "token": _SECRET, "pipeline_events": True})
    service.wait(service.trigger())
    wait_until(lambda: len(receiver.received) == 3, message="the events arrive")
    wait_until(lambda: len(_events(service, hook.id)) == 3, message="the log is complete")
    hook.description = "kept"
    hook.save()
    hook.test("pipeline_events")

    assert receiver.received[-1][0]["X-Gitlab-Token"] == _SECRET
    assert receiver.received[-1][0]["Authorization"].startswith("Basic ")
    answers = [service.ask("GET", path).text for path in ("/hooks", f"/hooks/{hook.id}", f"/hooks/{hook.id}/events")]
    stored = [file.read_bytes() for file in service.data.glob("packmill.sqlite3*")]
    login = receiver.received[-1][0]["Authorization"].removeprefix("Basic ")
    for secret in (_SECRET, login, "hidden-word", "hidden-too"):
        assert not any(secret in answer for answer in answers)
        assert not any(secret.encode() in file for file in stored)
    assert '"token_present":true' in answers[0]
    assert all(file.stat().st_mode & 0o077 == 0 for file in (service.data / "hooks").iterdir())


def test_hooks_are_for_tokens_that_may_change_something(service: Service) -> None:
    body = {"url": "http://127.0.0.1:1/"}
    for token, status in (("", 401), ("wrong", 401), (TRIGGER, 403)):
        assert service.ask("POST", "/hooks", json=body, token=token).status_code == status
        assert service.ask("GET", "/hooks", token=token).status_code == status


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"url": None}, 400),
        ({"url": "ftp://example.org/"}, 422),
        ({"url": "http://"}, 422),
        ({"url": "http://example.org:99999/"}, 422),
        ({"url": "http://example.org/\r\nX: y"}, 422),
        ({"url": "https://example.org/" + "x" * 3000}, 422),
        ({"token": "a\r\nX: y"}, 400),
        ({"token": "ä"}, 400),
        ({"pipeline_events": "perhaps"}, 400),
        ({"pipeline_events": [True]}, 400),
        ({"custom_headers": [{"key": "a", "value": "b"}]}, 400),
    ],
)
def test_a_hook_that_cannot_be_meant_is_refused(service: Service, change: dict[str, Any], status: int) -> None:
    answer = service.ask("POST", "/hooks", json={"url": "http://127.0.0.1:1/", **change})

    assert answer.status_code == status, answer.text


def test_a_service_for_others_sends_nothing_to_private_addresses(another_service: Any, receiver: Receiver) -> None:
    service = another_service("--no-local-repositories")
    answer = service.ask("POST", "/hooks", json={"url": receiver.url, "pipeline_events": True})

    assert answer.status_code == 422
    assert "PACKMILL_HOOKS" in answer.json()["message"]["url"][0]
    assert receiver.received == []
