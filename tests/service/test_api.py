"""GitLab's API, row by row: status codes, bodies, headers, paging."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from ci_service import ACCESS, TRIGGER, Service
from openapi_spec_validator import validate
from waiting import wait_until

_PIPELINE = (
    "id iid project_id sha ref status source created_at updated_at web_url name before_sha tag yaml_errors user "
    "started_at finished_at committed_at duration queued_duration coverage detailed_status"
).split()


def _post(service: Service, data: Any = None, *, path: str = "/trigger/pipeline", **options: Any) -> requests.Response:
    return requests.post(service.root + path, data=data, timeout=60, **options)


_KEYS = "Variables key can contain only letters, digits and '_'."
_GOOD = {"token": TRIGGER, "ref": "main", "variables[repository]": "https://example.org/x.git"}


@pytest.mark.parametrize("form", ["urlencoded", "multipart", "json", "query", "ref in the path"])
def test_a_trigger_is_understood_however_it_is_sent(service: Service, form: str) -> None:
    answer = {
        "urlencoded": lambda: _post(service, _GOOD),
        "multipart": lambda: _post(service, files={name: (None, value) for name, value in _GOOD.items()}),
        "json": lambda: _post(service, json={"token": TRIGGER, "ref": "main", "variables": {"repository": "https://example.org/x.git"}}),
        "query": lambda: _post(service, params=_GOOD),
        "ref in the path": lambda: _post(
            service, path=f"/ref/main/trigger/pipeline?token={TRIGGER}", json={"variables": {"repository": "https://example.org/x.git"}}
        ),
    }[form]()  # fmt: skip

    assert answer.status_code == 201, answer.text
    pipeline = answer.json()
    assert list(pipeline) == _PIPELINE
    assert (pipeline["source"], pipeline["ref"]) == ("trigger", "main")
    assert pipeline["web_url"] == f"{service.url}/ada/toy/-/pipelines/{pipeline['id']}"
    variables = service.get(f"/pipelines/{pipeline['id']}/variables")
    assert variables == [{"key": "repository", "value": "https://example.org/x.git", "variable_type": "env_var"}]


@pytest.mark.parametrize(
    ("change", "status", "body"),
    [
        ({"token": None}, 400, {"error": "token is missing"}),
        ({"ref": None}, 400, {"error": "ref is missing"}),
        ({"ref": ""}, 400, {"error": "ref is empty"}),
        ({"ref": "nowhere"}, 400, {"message": {"base": ["Reference not found"]}}),
        ({"ref": "--upload-pack=x"}, 400, {"message": {"base": ["Reference not found"]}}),
        ({"variables": "x"}, 400, {"error": "variables is invalid"}),
        ({"variables": {"n": 1}}, 400, {"message": "variables needs to be a map of key-valued strings"}),
        ({"variables": {"a-b": ""}}, 400, {"message": {"base": [_KEYS]}}),
        ({"token": "wrong"}, 404, {"message": "404 Not Found"}),
        ({"token": ACCESS}, 404, {"message": "404 Not Found"}),
    ],
)  # fmt: skip
def test_a_trigger_that_cannot_be_meant_is_refused_in_gitlab_s_words(
    service: Service, change: dict[str, Any], status: int, body: dict[str, Any]
) -> None:
    given = {"token": TRIGGER, "ref": "main", **change}
    answer = _post(service, json={name: value for name, value in given.items() if value is not None})

    assert (answer.status_code, answer.json()) == (status, body)


def test_a_pipeline_without_jobs_is_not_made(service: Service) -> None:
    answer = _post(service, {"token": TRIGGER, "ref": "main", "variables[nothing]": "yes"})

    assert answer.status_code == 400
    assert "rules configuration prevented any jobs" in answer.json()["message"]["base"][0]


def test_another_project_is_not_found(service: Service) -> None:
    top = f"{service.url}/api/v4/projects"

    assert requests.get(f"{top}/7", timeout=60).json() == {"message": "404 Project Not Found"}
    assert requests.post(f"{top}/7/trigger/pipeline", data=_GOOD, timeout=60).json() == {"message": "404 Not Found"}
    assert requests.get(f"{top}/ada%2Ftoy", headers={"PRIVATE-TOKEN": ACCESS}, timeout=60).json()["id"] == 1


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({"PRIVATE-TOKEN": ACCESS}, "", 200),
        ({"Authorization": f"Bearer {ACCESS}"}, "", 200),
        ({}, f"?private_token={ACCESS}", 200),
        ({}, "", 401),
        ({"PRIVATE-TOKEN": "wrong"}, "", 401),
        ({"PRIVATE-TOKEN": TRIGGER}, "", 403),
        ({"JOB-TOKEN": "wrong"}, "", 401),
    ],
)
def test_who_asks_is_known_by_a_token(service: Service, headers: dict[str, str], query: str, status: int) -> None:
    answer = requests.get(f"{service.root}/pipelines{query}", headers=headers, timeout=60)

    assert answer.status_code == status
    if status != 200:
        assert answer.json() == {401: {"message": "401 Unauthorized"}, 403: {"message": "403 Forbidden"}}[status]


def test_unknown_addresses_answer_as_gitlab_does(service: Service) -> None:
    assert service.ask("GET", "/nonsense").json() == {"error": "404 Not Found"}
    assert service.ask("PUT", "/pipelines").json() == {"error": "405 Not Allowed"}
    assert service.ask("GET", "/pipelines/99999999").json() == {"message": "404 Not Found"}
    assert service.ask("GET", "/jobs/99999999").json() == {"message": "404 Not Found"}
    assert service.ask("GET", "/jobs/99999999999999999999999").status_code == 404


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v4", "/api/v3/projects", "/api/graphql", "//api/v4/version"])
def test_programs_get_json_wherever_nothing_is(service: Service, path: str) -> None:
    answer = requests.get(service.url + path, timeout=60)

    assert (answer.status_code, answer.json()) == (404, {"error": "404 Not Found"})


def test_who_asks_for_json_gets_json_elsewhere_too(service: Service) -> None:
    def kind(accept: str) -> str:
        answer = requests.get(f"{service.url}/-/nonsense", headers={"Accept": accept}, timeout=60)
        assert answer.status_code == 404
        return answer.headers["Content-Type"].partition(";")[0]

    assert kind("application/json") == "application/json"
    assert kind("text/html,application/json;q=0.9") == "text/html"


def test_the_api_has_a_document_and_a_page(service: Service) -> None:
    document = requests.get(f"{service.url}/-/openapi.json", timeout=60).json()
    validate(document)

    operation = document["paths"]["/api/v4/projects/{project}/hooks"]["post"]
    assert (operation["tags"], operation["summary"]) == (["hooks"], "Create a hook")
    trace = document["paths"]["/api/v4/projects/{project}/jobs/{number}/trace"]["get"]
    assert trace["summary"] == "Return a job's log so far; a Range request returns the new part"
    assert operation["requestBody"]["content"]["application/json"]["schema"]["required"] == ["url"]
    names = [one["name"] for one in document["paths"]["/api/v4/projects/{project}/pipelines"]["get"]["parameters"]]
    assert {"project", "name", "sort", "page"} <= set(names)
    assert not any("/-/pipelines" in path for path in document["paths"])
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "docs.js", "docs.css"):
        assert requests.get(f"{service.url}/static/{name}", timeout=60).status_code == 200
    page = requests.get(f"{service.url}/-/api", allow_redirects=False, timeout=60)
    assert page.headers["Location"].startswith("/-/sign-in")


def test_head_answers_like_get_without_a_body(service: Service) -> None:
    answer = service.ask("HEAD", "/pipelines")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["X-Page"] == "1"


def test_pages_of_a_list_are_told_in_headers(service: Service) -> None:
    for _ in range(3):
        service.trigger()
    top = f"{service.url}/api/v4/projects/ada%2Ftoy/pipelines"
    answer = requests.get(f"{top}?per_page=2&page=1&ref=main", headers={"PRIVATE-TOKEN": ACCESS}, timeout=60)
    total = int(answer.headers["X-Total"])

    assert len(answer.json()) == 2
    assert answer.json()[0]["id"] > answer.json()[1]["id"]
    assert (answer.headers["X-Page"], answer.headers["X-Per-Page"], answer.headers["X-Next-Page"]) == ("1", "2", "2")
    assert answer.headers["X-Prev-Page"] == ""
    assert int(answer.headers["X-Total-Pages"]) == -(-total // 2)
    assert answer.links["next"]["url"] == f"{top}?ref=main&page=2&per_page=2"
    assert set(answer.links) == {"first", "last", "next"}
    last = requests.get(answer.links["last"]["url"], headers={"PRIVATE-TOKEN": ACCESS}, timeout=60)
    assert last.headers["X-Next-Page"] == ""


@pytest.mark.parametrize(
    "query",
    "page=0 page=-1 page=x per_page=0 status=odd scope=odd order_by=odd sort=odd updated_after=odd".split(),
)
def test_parameters_that_cannot_be_meant_are_refused(service: Service, query: str) -> None:
    answer = service.ask("GET", f"/pipelines?{query}")

    assert answer.status_code == 400
    assert "valid" in answer.json()["error"]


def test_pipelines_are_filtered_and_sorted(service: Service) -> None:
    number = service.trigger(script="exit 3")
    assert service.wait(number) == "failed"

    failed = service.get("/pipelines?status=failed&per_page=100")
    assert number in {one["id"] for one in failed}
    assert {one["status"] for one in failed} == {"failed"}
    oldest = service.get("/pipelines?order_by=id&sort=asc&per_page=1")
    assert oldest[0]["id"] == 1
    assert service.get("/pipelines?created_before=2001-01-01T00:00:00Z") == []
    assert service.get("/pipelines?source=push") == []
    assert service.get("/pipelines/latest?ref=main")["id"] == service.get("/pipelines?per_page=1")[0]["id"]


def test_jobs_are_listed_by_scope(service: Service) -> None:
    number = service.trigger(script="exit 3")
    service.wait(number)

    found = service.get("/jobs?scope[]=failed&scope[]=skipped&per_page=100")
    assert {job["status"] for job in found} == {"failed", "skipped"}
    assert {job["name"] for job in found if job["pipeline"]["id"] == number} == {"one", "two"}
    assert service.ask("GET", "/jobs?scope=odd").json() == {"error": "scope does not have a valid value"}
    job = service.jobs(number)["one"]
    assert job["failure_reason"] == "script_failure"
    assert job["commit"]["title"] == "A pipeline"
    assert service.get(f"/pipelines/{number}/bridges") == []


def test_a_pipeline_is_made_by_an_access_token_too(service: Service) -> None:
    body = {"ref": "main", "variables": [{"key": "script", "value": "echo by hand"}]}
    answer = service.ask("POST", "/pipeline", json=body)

    assert (answer.status_code, answer.json()["source"]) == (201, "api")
    service.wait(answer.json()["id"])
    assert "by hand" in service.trace(service.jobs(answer.json()["id"])["one"]["id"])


def test_canceling_and_retrying(service: Service) -> None:
    number = service.trigger(script="echo begun; sleep 60")
    service.wait(number, "running")
    assert service.ask("POST", f"/pipelines/{number}/cancel").status_code in (200, 201)
    assert service.wait(number) == "canceled"
    first = service.jobs(number)["one"]

    again = service.ask("POST", f"/jobs/{first['id']}/retry")
    assert (again.status_code, again.json()["name"]) == (201, "one")
    assert service.ask("POST", f"/jobs/{first['id']}/retry").status_code == 403
    assert service.ask("POST", f"/jobs/{again.json()['id']}/cancel").status_code == 201
    assert service.wait(number) == "canceled"
    assert service.ask("POST", f"/jobs/{again.json()['id']}/erase").status_code == 201
    assert service.trace(again.json()["id"]) == ""
    assert service.ask("POST", f"/jobs/{again.json()['id']}/play").status_code == 400


@pytest.mark.parametrize("what", ["pipeline", "job"])
def test_a_job_that_is_being_canceled_is_retried_as_gitlab_does(what: str, service: Service, marks: Path) -> None:
    """The API answered 201, and the pipeline ended as canceled: only the jobs that had ended were retried."""
    mark = marks / f"retried-{what}"
    ends_late = "trap 'sleep 3; exit 1' TERM; echo begun; sleep 60 & wait"
    number = service.trigger(script=f"test -e {mark} && exit; touch {mark}; {ends_late}", later="true")
    job = service.jobs(number)["one"]["id"]
    wait_until(lambda: "begun" in service.trace(job), message="the job is under way")
    service.ask("POST", f"/pipelines/{number}/cancel")

    again = service.ask("POST", f"/pipelines/{number}/retry" if what == "pipeline" else f"/jobs/{job}/retry")
    if what == "job":
        service.ask("POST", f"/jobs/{service.jobs(number)['two']['id']}/retry")

    assert again.status_code == 201
    assert service.wait(number) == "success"
    wait_until(lambda: service.get(f"/jobs/{job}")["status"] == "canceled", message="the first attempt ends")


def test_values_that_would_be_dropped_are_refused(service: Service) -> None:
    number = service.trigger(repository="by hand")
    service.wait(number)
    jobs = service.jobs(number)
    schedule = {"description": "d", "ref": "main", "cron": "0 4 1 1 *"}
    made = service.ask("POST", "/pipeline_schedules", data=schedule).json()["id"]
    variables = [{"key": "script", "value": "echo other"}]
    answers = [
        service.ask("POST", f"/jobs/{jobs['by-hand']['id']}/play", json={"job_variables_attributes": variables}),
        service.ask("POST", f"/jobs/{jobs['one']['id']}/retry", json={"job_inputs": {"script": "echo other"}}),
        service.ask("POST", "/pipeline_schedules", json={**schedule, "inputs": {"script": "echo other"}}),
        service.ask("PUT", f"/pipeline_schedules/{made}", json={"variables": variables}),
    ]
    service.ask("DELETE", f"/pipeline_schedules/{made}")

    assert [one.status_code for one in answers] == [400] * 4
    assert "job_variables_attributes is not supported; a job has the variables of its pipeline" in answers[0].text
    assert service.jobs(number)["by-hand"]["status"] == "manual"


def test_a_manual_job_is_played(service: Service) -> None:
    number = service.trigger(repository="by hand")
    assert service.wait(number) == "manual"
    job = service.jobs(number)["by-hand"]

    assert service.ask("POST", f"/jobs/{job['id']}/play").status_code == 200
    assert service.wait(number) == "success"
    assert "pressed" in service.trace(job["id"])


def test_a_deleted_pipeline_is_gone_with_its_jobs(service: Service) -> None:
    number = service.trigger(script="sleep 60")
    service.wait(number, "running")
    job = service.jobs(number)["one"]["id"]

    assert service.ask("DELETE", f"/pipelines/{number}").status_code == 204
    assert service.ask("GET", f"/pipelines/{number}").status_code == 404
    assert service.ask("GET", f"/jobs/{job}").status_code == 404


def test_what_clients_ask_first(service: Service) -> None:
    top = f"{service.url}/api/v4"
    headers = {"PRIVATE-TOKEN": ACCESS}

    assert requests.get(f"{top}/version", headers=headers, timeout=60).json()["version"].startswith("17.")
    assert requests.get(f"{top}/user", headers=headers, timeout=60).json()["username"] == "access"
    assert service.get("")["default_branch"] == "main"
    commit = service.get("/repository/commits/main")
    assert service.get(f"/repository/commits/{commit['id'][:8]}")["id"] == commit["id"]
    assert service.ask("GET", "/repository/commits/nowhere").json() == {"message": "404 Commit Not Found"}


def test_links_repeat_the_address_that_the_client_used(service: Service) -> None:
    service.trigger()
    elsewhere = {"Host": "ci.example.org", "PRIVATE-TOKEN": ACCESS}
    answer = requests.get(f"{service.root}/pipelines", headers=elsewhere, timeout=60)

    assert answer.json()[0]["web_url"].startswith("http://ci.example.org/ada/toy/-/pipelines/")
    assert "http://ci.example.org/" in answer.headers["Link"]


def test_too_many_requests_are_told_when_to_come_back(another_service: Any) -> None:
    service = another_service("--rate-limit", "20")
    with ThreadPoolExecutor(8) as many:
        answers = list(many.map(lambda _: service.ask("GET", "/pipelines"), range(60)))

    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert len([answer for answer in answers if answer.status_code == 200]) >= 20


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b"\xff\xfe", b'{"ref": 1}', b'{"token": ["x"], "ref": "main"}', b"[" * 100_000]
)
def test_a_body_that_cannot_be_read_is_no_fault_of_the_service(service: Service, body: bytes) -> None:
    answer = _post(service, body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400


def test_a_body_without_end_is_refused(service: Service) -> None:
    assert _post(service, {**_GOOD, "variables[script]": "x" * (2 << 20)}).status_code == 413
