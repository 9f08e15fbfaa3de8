"""What python-gitlab shows of pipelines, jobs and artifacts."""

from __future__ import annotations

import json
from typing import Any

import gitlab
import pytest
from ci_service import ACCESS, Service


@pytest.fixture
def client(service: Service) -> gitlab.Gitlab:
    return gitlab.Gitlab(service.url, private_token=ACCESS)


@pytest.fixture
def toy(client: gitlab.Gitlab) -> Any:
    return client.projects.get("ada/toy")


def test_pipelines_have_names_and_are_found_and_sorted_by_them(service: Service, toy: Any) -> None:
    numbers = [service.trigger(repository="https://ada:word@example.org/named.git", script="exit 3") for _ in range(2)]
    for number in numbers:
        service.wait(number)
    name = "toy of https://example.org/named.git"

    found = toy.pipelines.list(name=name, sort="asc", order_by="id", get_all=True)
    assert [one.id for one in found] == numbers
    assert {one.name for one in found} == {name}
    found = toy.pipelines.list(name=name, sort="desc", order_by="updated_at", get_all=True)
    assert [one.updated_at for one in found] == sorted((one.updated_at for one in found), reverse=True)
    found = toy.pipelines.list(name=name, sort="desc", order_by="user_id", get_all=True)
    assert [one.id for one in found] == numbers[::-1]
    assert toy.pipelines.list(name="toy of https:", get_all=True) == []


def test_users_are_tokens_with_numbers_of_their_own(service: Service, client: gitlab.Gitlab, toy: Any) -> None:
    client.auth()
    triggered = toy.pipelines.get(service.trigger())
    created = toy.pipelines.create({"ref": "main"})

    assert client.user is not None
    assert created.user["id"] == client.user.id
    assert (created.user["username"], triggered.user["username"]) == ("access", "trigger")
    assert triggered.user["id"] != created.user["id"]
    assert toy.jobs.get(created.jobs.list()[0].id).user["id"] == client.user.id


def test_a_job_shows_its_source_and_the_size_of_its_log(service: Service, toy: Any) -> None:
    number = service.trigger()
    service.wait(number)
    job = toy.jobs.get(service.jobs(number)["one"]["id"])

    sizes = {one["file_type"]: one["size"] for one in job.asdict()["artifacts"]}
    assert sizes["trace"] == len(job.trace()) > 0
    assert job.source == "trigger"


def test_artifacts_are_kept_and_deleted(service: Service, toy: Any) -> None:
    number = service.trigger(script="mkdir out; echo kept > out/a.txt")
    service.wait(number)
    job = toy.jobs.get(service.jobs(number)["one"]["id"])
    assert job.artifacts_expire_at is not None
    job.keep_artifacts()

    assert toy.jobs.get(job.id).artifacts_expire_at is None
    assert job.artifact("out/a.txt") == b"kept\n"
    job.delete_artifacts()
    with pytest.raises(gitlab.GitlabGetError):
        job.artifacts()
    with pytest.raises(gitlab.GitlabCreateError, match="404"):
        job.keep_artifacts()


def test_artifacts_of_a_branch_are_those_of_its_newest_successful_pipeline(service: Service, toy: Any) -> None:
    older, newest = (service.trigger(script=f"mkdir out; echo {word} > out/a.txt") for word in ("old", "new"))
    for number in (older, newest):
        assert service.wait(number) == "success"
    toy.jobs.get(service.jobs(older)["one"]["id"]).retry()
    assert service.wait(older) == "success"

    assert toy.artifacts.raw("main", "out/a.txt", "one") == b"new\n"


def test_artifacts_of_a_branch_are_also_those_of_a_job_that_may_fail(service: Service, toy: Any) -> None:
    assert service.wait(service.trigger(repository="may fail")) == "success"

    assert toy.artifacts.raw("main", "out/a.txt", "may-fail") == b"kept\n"
    with pytest.raises(gitlab.GitlabGetError, match="404"):
        toy.artifacts.raw("main", "out/a.txt", "nowhere")


def test_a_commit_has_its_latest_pipeline(service: Service, toy: Any) -> None:
    number = service.trigger(script="exit 3")
    service.wait(number)
    commit = toy.commits.get("main")

    assert (commit.status, commit.last_pipeline["id"], commit.project_id) == ("failed", number, 1)


def test_a_running_job_finds_itself_by_its_token(service: Service, client: gitlab.Gitlab) -> None:
    number = service.trigger(script='mkdir out; curl -s -H "JOB-TOKEN: $CI_JOB_TOKEN" $CI_API_V4_URL/job > out/a.txt')
    assert service.wait(number) == "success"
    job = service.jobs(number)["one"]["id"]
    found = json.loads(service.ask("GET", f"/jobs/{job}/artifacts/out/a.txt").text)

    assert (found["id"], found["name"], found["status"]) == (job, "one", "running")
    with pytest.raises(gitlab.GitlabHttpError, match="404 Job Not Found"):
        client.http_get("/job")
    with pytest.raises(gitlab.GitlabAuthenticationError):
        gitlab.Gitlab(service.url).http_get("/job")


def test_inputs_and_variables_that_would_not_reach_a_job_as_meant_are_refused(toy: Any) -> None:
    with pytest.raises(gitlab.GitlabCreateError, match="Given inputs not defined"):
        toy.pipelines.create({"ref": "main", "inputs": {"level": 3}})
    file = {"key": "script", "value": "true", "variable_type": "file"}
    with pytest.raises(gitlab.GitlabCreateError, match="file is not supported"):
        toy.pipelines.create({"ref": "main", "variables": [file]})


def test_a_pipeline_with_an_invalid_file_is_never_listed(service: Service, toy: Any) -> None:
    service.trigger()

    assert toy.pipelines.list(yaml_errors=True, get_all=True) == []
    assert toy.pipelines.list(yaml_errors=False, per_page=1, page=1) != []
