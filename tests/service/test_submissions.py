"""A form that is submitted twice, by a double click, a reload or the back button, creates something once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from ci_service import ACCESS, Service
from starlette.datastructures import Headers, UploadFile
from support import git

from generator.service.pages import submissions as submissions_module
from generator.service.store.database import Database, jobs, pipelines, sqlite_url
from generator.service.store.job_folders import DataFolder
from generator.service.store.submission_tables import submissions
from generator.service.store.submissions import add_address, find_address, remove_old

Form = dict[str, str]


@pytest.fixture(scope="module")
def session(service: Service) -> requests.Session:
    signed_in = requests.Session()
    signed_in.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)
    return signed_in


@pytest.fixture
def render(service: Service, session: requests.Session) -> Callable[[str], Form]:
    """Opens a page, and returns the hidden fields of its form."""

    def hidden(path: str) -> Form:
        text = session.get(f"{service.url}/ada/toy/-/{path}", timeout=60).text
        names = ("form_token", "submission")
        return {name: re.findall(rf'name="{name}" value="([^"]+)"', text)[-1] for name in names}

    return hidden


@pytest.fixture
def submit(service: Service, session: requests.Session) -> Callable[[str, Form], requests.Response]:
    def send(path: str, form: Form) -> requests.Response:
        address = f"{service.url}/ada/toy/-/{path}"
        return requests.post(address, data=form, cookies=session.cookies, timeout=60, allow_redirects=False)

    return send


def test_a_form_that_is_submitted_twice_starts_one_pipeline(
    service: Service, render: Callable[[str], Form], submit: Callable[[str, Form], requests.Response]
) -> None:
    form = {**render("pipelines/new"), "repository": "twice"}
    first, second = submit("pipelines/new", form), submit("pipelines/new", form)

    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["Location"] == second.headers["Location"]
    assert f"/{service.get('/pipelines?per_page=1')[0]['id']}" in first.headers["Location"]


def test_a_form_that_is_submitted_twice_at_the_same_time_starts_one_pipeline(
    render: Callable[[str], Form], submit: Callable[[str, Form], requests.Response]
) -> None:
    form = {**render("pipelines/new"), "repository": "at the same time"}
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: submit("pipelines/new", form), range(8)))

    assert {one.status_code for one in answers} == {303}
    assert len({one.headers["Location"] for one in answers}) == 1


def test_a_form_that_is_rendered_twice_starts_two_pipelines(
    render: Callable[[str], Form], submit: Callable[[str, Form], requests.Response]
) -> None:
    forms = [{**render("pipelines/new"), "repository": "same"} for _ in range(2)]

    assert len({submit("pipelines/new", form).headers["Location"] for form in forms}) == 2


def test_a_form_that_is_changed_and_submitted_again_starts_two_pipelines(
    render: Callable[[str], Form], submit: Callable[[str, Form], requests.Response]
) -> None:
    form = render("pipelines/new")
    answers = [submit("pipelines/new", {**form, "repository": name}) for name in ("first", "second")]

    assert len({one.headers["Location"] for one in answers}) == 2


def test_an_upload_counts_by_its_content_and_its_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another table of the same name and size was answered with the job of the first one."""
    sender = SimpleNamespace(identity=SimpleNamespace(id=1))
    monkeypatch.setattr(submissions_module, "check_form", lambda *_: sender)
    monkeypatch.setattr(submissions_module, "signature", lambda _, text: text)
    request: Any = SimpleNamespace(url=SimpleNamespace(path="/"))

    def key(field: str, content: bytes) -> str:
        headers = Headers({"content-disposition": f'form-data; name="{field}"; filename="t.csv"'})
        file = UploadFile(BytesIO(content), size=len(content), filename="t.csv", headers=headers)
        found = submissions_module._key(request, {"submission": "x"}, [file])
        assert file.file.read() == content  # it is still to be stored
        return found

    assert key("file-a", b"n\n1\n") == key("file-a", b"n\n1\n")
    assert len({key("file-a", b"n\n1\n"), key("file-a", b"n\n2\n"), key("file-b", b"n\n1\n")}) == 3


@pytest.mark.parametrize(
    ("value", "problem"), [("a\0b", "null character"), ("é" * 65_536, "is too long (maximum is 131072 bytes")]
)
def test_a_value_that_no_program_can_get_is_refused(
    value: str, problem: str, render: Callable[[str], Form], submit: Callable[[str, Form], requests.Response]
) -> None:
    """Its job failed, with a traceback or a system failure."""
    refused = submit("pipelines/new", {**render("pipelines/new"), "repository": value})

    assert refused.status_code == 400
    assert problem in refused.text


def test_the_longest_value_reaches_a_job(service: Service) -> None:
    longest = "x" * (131_072 - len("repository=") - 1)
    number = service.trigger(repository=longest, script='echo "<${#repository}>"')

    assert service.wait(number) == "success"
    assert f"<{len(longest)}>" in service.trace(service.jobs(number)["one"]["id"])


def test_a_form_that_starts_nothing_can_be_submitted_again(
    project: Path, render: Callable[[str], Form], submit: Callable[[str, Form], requests.Response]
) -> None:
    form = {**render("pipelines/new"), "ref": "not-pushed-yet"}
    assert submit("pipelines/new", form).status_code == 400
    git(project, "branch", "not-pushed-yet")
    try:
        assert "/pipelines/" in submit("pipelines/new", form).headers["Location"]
    finally:
        git(project, "branch", "-D", "not-pushed-yet")


def test_a_repeated_form_without_its_token_is_refused(
    render: Callable[[str], Form], submit: Callable[[str, Form], requests.Response]
) -> None:
    form = {**render("pipelines/new"), "repository": "forged"}
    assert submit("pipelines/new", form).status_code == 303

    assert submit("pipelines/new", {**form, "form_token": "wrong"}).status_code == 403


_SCHEDULE = {"description": "nightly", "cron": "0 4 1 1 *", "cron_timezone": "UTC", "ref": "main"}
_HOOK = {"url": "http://127.0.0.1:9/receiver", "pipeline_events": "yes"}


@pytest.mark.parametrize(("path", "fields"), [("schedules/new", _SCHEDULE), ("hooks", _HOOK)])
def test_a_form_creates_one_object_and_another_form_another(
    path: str, fields: Form, render: Callable[[str], Form], submit: Callable[[str, Form], requests.Response]
) -> None:
    form = {**render(path), **fields}
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: submit(path, form), range(4)))
    made = {one.headers["Location"] for one in answers}
    other = submit(path, {**render(path), **fields}).headers["Location"]
    for place in (*made, other):
        submit(f"{place.partition('/-/')[2]}/delete", render(path))

    assert len(made) == 1
    assert other not in made


@pytest.mark.parametrize("missing", _SCHEDULE)
def test_a_schedule_without_one_of_its_fields_is_refused(
    missing: str, render: Callable[[str], Form], submit: Callable[[str, Form], requests.Response]
) -> None:
    form = {name: value for name, value in {**render("schedules/new"), **_SCHEDULE}.items() if name != missing}

    assert submit("schedules/new", form).status_code == 400


def test_a_schedule_that_is_started_by_a_double_click_starts_one_pipeline(
    render: Callable[[str], Form], submit: Callable[[str, Form], requests.Response]
) -> None:
    made = submit("schedules/new", {**render("schedules/new"), **_SCHEDULE}).headers["Location"].partition("/-/")[2]
    form = render(made)
    starts = [submit(f"{made}/run", form).headers["Location"] for form in (form, form, render(made))]
    submit(f"{made}/delete", form)

    assert starts[0] == starts[1] != starts[2]


def test_a_pipeline_that_is_retried_by_a_double_click_is_retried_once(
    service: Service, render: Callable[[str], Form], submit: Callable[[str, Form], requests.Response]
) -> None:
    number = service.trigger(script="false")
    service.wait(number)
    form = render(f"pipelines/{number}")
    for _ in range(2):  # the first retry ends before the form arrives again
        assert submit(f"pipelines/{number}/retry", form).status_code == 303
        service.wait(number)

    attempts = [job["name"] for job in service.get(f"/pipelines/{number}/jobs?include_retried=true")]
    assert attempts.count("one") == 2


def test_a_form_that_canceled_a_pipeline_does_not_cancel_its_retry(
    service: Service, render: Callable[[str], Form], submit: Callable[[str, Form], requests.Response]
) -> None:
    number = service.trigger(script="sleep 60")
    service.wait(number, "running")
    form = render(f"pipelines/{number}")
    submit(f"pipelines/{number}/cancel", form)
    service.wait(number)
    service.ask("POST", f"/pipelines/{number}/retry")
    submit(f"pipelines/{number}/cancel", form)
    after = service.get(f"/pipelines/{number}")["status"]
    service.ask("DELETE", f"/pipelines/{number}")

    assert after in ("pending", "running")


def test_a_pipeline_is_retried_only_after_the_end_of_jobs_that_are_being_canceled(
    service: Service,
    session: requests.Session,
    render: Callable[[str], Form],
    submit: Callable[[str, Form], requests.Response],
) -> None:
    number = service.trigger(script="false")
    service.wait(number)
    page = f"{service.url}/ada/toy/-/pipelines/{number}"
    form, offered = render(f"pipelines/{number}"), session.get(page, timeout=60).text
    _leave_canceling(service, number)
    then, answer = session.get(page, timeout=60).text, submit(f"pipelines/{number}/retry", form)
    service.ask("DELETE", f"/pipelines/{number}")

    assert ("/retry" in offered, "/retry" in then) == (True, False)
    assert answer.status_code == 409
    assert "The pipeline is being canceled. Retry it when its jobs have ended." in answer.text


def _leave_canceling(service: Service, number: int) -> None:
    """Store that the first job of a pipeline is being canceled, and the later ones were."""
    database = Database(sqlite_url(DataFolder(service.data).database))
    with database.transaction() as connection:
        mine = sa.update(jobs).where(jobs.c.pipeline_id == number)
        connection.execute(mine.values(status="canceled"))
        connection.execute(mine.where(jobs.c.name == "one").values(status="canceling"))
        connection.execute(sa.update(pipelines).where(pipelines.c.id == number).values(status="canceling"))
    database.close()


@pytest.mark.parametrize("path", ["runs/{}/unshare", "runs/{}/cancel", "pipelines/{}/retry", "jobs/{}/resume"])
@pytest.mark.parametrize("number", ["999999", "2147483648"])
def test_a_button_for_what_does_not_exist_is_not_found(
    path: str, number: str, render: Callable[[str], Form], submit: Callable[[str, Form], requests.Response]
) -> None:
    """PostgreSQL has no IDs of more than 31 bits, and the answer was 500."""
    assert submit(path.format(number), render("pipelines/new")).status_code == 404


def test_what_a_form_created_is_known_for_as_long_as_its_token_is_valid(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "x.sqlite3"))
    add_address(database, "old", "/runs/1")
    with database.transaction() as connection:
        connection.execute(sa.update(submissions).values(created_at=time.time() - 25 * 3600))
    add_address(database, "new", "/runs/2")
    remove_old(database)

    assert (find_address(database, "old"), find_address(database, "new")) == (None, "/runs/2")
    database.close()
