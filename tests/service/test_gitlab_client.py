"""What python-gitlab shows of pipelines, jobs and artifacts."""

from __future__ import annotations

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
