"""Files uploaded for jobs, as GitLab's generic packages."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import gitlab
import pytest
import requests
from ci_service import ACCESS, Service

from generator.service.store import tokens
from generator.service.store.opening import open_database
from generator.service.store.uploads import NotOwnerError, Uploads

_PLACE = "/packages/generic/tables/0a1b/cities.csv"


def test_a_file_comes_back_as_it_was_sent(service: Service) -> None:
    assert service.ask("HEAD", _PLACE).status_code == 404
    answer = service.ask("PUT", _PLACE, data=b"n\n1\n")

    assert (answer.status_code, answer.json()) == (201, {"message": "201 Created"})
    assert service.ask("HEAD", _PLACE).status_code == 200
    assert service.ask("GET", _PLACE).content == b"n\n1\n"
    service.ask("PUT", _PLACE, data=b"n\n2\n")
    assert service.ask("GET", _PLACE).content == b"n\n2\n"


def test_python_gitlab_uploads_and_downloads(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "table.parquet"
    file.write_bytes(os.urandom(3 << 20))
    packages = gitlab.Gitlab(service.url, private_token=ACCESS).projects.get(1).generic_packages

    packages.upload(package_name="mine", package_version="v1", file_name=file.name, path=file)

    assert packages.download(package_name="mine", package_version="v1", file_name=file.name) == file.read_bytes()


def test_who_asks_for_the_table_of_a_map_keeps_it_as_one_who_uploads_it(service: Service) -> None:
    """`query.py` uploads no table that exists, and starts its pipeline next."""
    digest = hashlib.sha256(b"n\n1\n").hexdigest()[:32]
    ages = []
    for package in ("packmill-tables", "tables"):
        place = f"{package}/{digest}/kept.csv"
        service.ask("PUT", f"/packages/generic/{place}", data=b"n\n1\n")
        os.utime(service.data / "uploads" / place, (time.time() - 7 * 86400,) * 2)
        assert service.ask("HEAD", f"/packages/generic/{place}").status_code == 200
        ages.append(time.time() - (service.data / "uploads" / place).stat().st_mtime)

    assert ages[0] < 60
    assert ages[1] > 6 * 86400


def test_the_start_of_a_pipeline_keeps_its_table(service: Service) -> None:
    service.ask("PUT", _PLACE, data=b"n\n1\n")
    file = service.data / "uploads/tables/0a1b/cities.csv"
    os.utime(file, (time.time() - 7 * 86400,) * 2)
    service.trigger(table="tables/0a1b/cities.csv")

    assert file.stat().st_mtime > time.time() - 60


@pytest.fixture
def others(service: Service) -> Iterator[Callable[[], str]]:
    """Makes tokens of the role ``run``."""
    database = open_database(service.data, None)
    yield lambda: tokens.create(database, name="other", scopes=tokens.roles["run"], role="run")
    database.close()


def test_a_file_is_replaced_by_its_owner_and_admins_alone(service: Service, others: Callable[[], str]) -> None:
    place = "/packages/generic/mine/1/cities.csv"
    owner, other = others(), others()
    assert service.ask("PUT", place, token=owner, data=b"first").status_code == 201

    refused = service.ask("PUT", place, token=other, data=b"of another")

    assert (refused.status_code, refused.json()) == (403, {"message": "403 Forbidden - The file is another token's"})
    assert service.ask("GET", place).content == b"first"
    for token, content in ((owner, b"second"), (ACCESS, b"third")):
        assert service.ask("PUT", place, token=token, data=content).status_code == 201
        assert service.ask("GET", place).content == content
    assert not list((service.data / "uploads").glob(".*"))


def test_the_place_of_a_removed_file_stays_its_owner_s(service: Service, others: Callable[[], str]) -> None:
    place = "/packages/generic/removed/1/cities.csv"
    owner, other = others(), others()
    service.ask("PUT", place, token=owner, data=b"first")
    (service.data / "uploads/removed/1/cities.csv").unlink()

    assert service.ask("PUT", place, token=other, data=b"of another").status_code == 403
    assert service.ask("PUT", place, token=owner, data=b"again").status_code == 201


def test_a_file_of_an_earlier_version_is_replaced_by_admins_alone(service: Service, others: Callable[[], str]) -> None:
    file = service.data / "uploads/earlier/1/cities.csv"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"first")

    assert service.ask("PUT", "/packages/generic/earlier/1/cities.csv", token=others(), data=b"x").status_code == 403
    assert service.ask("PUT", "/packages/generic/earlier/1/cities.csv", data=b"x").status_code == 201


def test_a_file_whose_token_is_revoked_while_it_arrives_is_not_stored(
    service: Service, others: Callable[[], str]
) -> None:
    place = "/packages/generic/mine/3/cities.csv"
    owner = others()

    def arrive() -> Iterator[bytes]:
        yield b"half"
        database = open_database(service.data, None)
        tokens.revoke(database, "other")
        database.close()
        yield b"the rest"

    assert service.ask("PUT", place, token=owner, data=arrive()).status_code == 401
    assert service.ask("HEAD", place).status_code == 404


def test_a_name_whose_file_could_not_be_stored_is_free_again(tmp_path: Path) -> None:
    database, uploads = open_database(tmp_path, None), Uploads(tmp_path / "uploads")
    path = uploads.path("mine", "4", "cities.csv")
    ada, bob = (tokens.Identity(id=number, name="", scopes=frozenset({"api"}), role="run") for number in (1, 2))
    with database.transaction() as connection:
        assert uploads.claim(connection, path, ada)
        uploads.release(connection, path)  # the disk refused the file's name
        assert uploads.claim(connection, path, bob)
        with uploads.writing(path):
            pass
        uploads.release(connection, path)
        with pytest.raises(NotOwnerError):
            uploads.claim(connection, path, ada)
    database.close()


def test_a_place_goes_to_the_token_of_its_owner_s_name_that_replaces_a_revoked_one(tmp_path: Path) -> None:
    database, uploads = open_database(tmp_path, None), Uploads(tmp_path / "uploads")
    path = uploads.path("mine", "5", "cities.csv")

    def make(name: str) -> tokens.Identity:
        token = tokens.create(database, name=name, scopes=["api"], role="run")
        return cast("tokens.Identity", tokens.find(database, token))

    def claim(user: tokens.Identity) -> bool:
        with database.transaction() as connection:
            return uploads.claim(connection, path, user)

    earlier, bob = make("ada"), make("bob")
    assert claim(earlier)
    second = make("ada")
    with pytest.raises(NotOwnerError):  # both are valid: two people may have them
        claim(second)
    tokens.revoke(database, "ada")
    ada = make("ada")
    with pytest.raises(NotOwnerError):
        claim(bob)
    for _ in range(2):
        assert not claim(ada)
    with pytest.raises(NotOwnerError):
        claim(bob)
    database.close()


def test_a_table_has_the_content_that_its_version_names(service: Service, others: Callable[[], str]) -> None:
    table = b"n\n1\n"
    place = f"/packages/generic/packmill-tables/{hashlib.sha256(table).hexdigest()[:32]}/cities.csv"
    assert service.ask("PUT", place, token=others(), data=table).status_code == 201

    refused = service.ask("PUT", place, data=b"n\n2\n")

    assert refused.status_code == 400
    assert "SHA-256" in refused.json()["error"]
    assert service.ask("GET", place).content == table
    assert service.ask("PUT", place, token=others(), data=table).status_code == 201


def test_a_job_reads_a_file_with_its_token_and_writes_none(service: Service) -> None:
    service.ask("PUT", _PLACE, data=b"of the job")
    address = f"$CI_API_V4_URL/projects/$CI_PROJECT_ID{_PLACE}"
    curl = f"curl --silent --header JOB-TOKEN:$CI_JOB_TOKEN {address}"
    number = service.trigger(
        script=f"echo \"<$({curl})>\"; {curl} --upload-file /etc/hostname --write-out '%{{http_code}}'"
    )
    service.wait(number)

    trace = service.trace(service.jobs(number)["one"]["id"])
    assert "<of the job>" in trace
    assert "403" in trace
    assert service.ask("GET", _PLACE).content == b"of the job"


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_only_those_with_a_token_reach_files(method: str, service: Service) -> None:
    assert service.ask(method, _PLACE, token="", data=b"x").status_code == 401


@pytest.mark.parametrize("names", ["..%2F../a/b", "a/.b/c", "a/b/..%2F..%2Fjobs", "a/b/c%20d", "a/b/%2Fetc", "-a/b/c"])
def test_names_stay_inside_of_the_folder(names: str, service: Service) -> None:
    answer = requests.put(
        f"{service.root}/packages/generic/{names}", data=b"x", headers={"PRIVATE-TOKEN": ACCESS}, timeout=60
    )

    assert answer.status_code in (400, 404, 405)


def test_a_file_that_is_too_large_leaves_nothing(service: Service) -> None:
    def endless() -> object:
        for _ in range(101):
            yield bytes(1 << 20)

    place = "/packages/generic/large/1/large.csv"
    with suppress(requests.ConnectionError):  # the service may stop reading
        assert service.ask("PUT", place, data=endless()).status_code == 413
    assert service.ask("GET", place).status_code == 404
    assert not list((service.data / "uploads").glob(".*"))


def test_the_same_table_has_the_same_place(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("n\n1\n")
    uploads = Uploads(tmp_path / "uploads")

    place = uploads.keep_table(tmp_path / "t.csv")

    digest = hashlib.sha256((tmp_path / "t.csv").read_bytes()).hexdigest()
    assert place == f"packmill-tables/{digest[:32]}/t.csv"
    assert uploads.keep_table(tmp_path / "t.csv") == place
    assert (tmp_path / "uploads" / place).read_text() == "n\n1\n"


def test_an_upload_succeeds_while_an_old_file_next_to_it_is_removed(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads")
    old, new = uploads.path("tables", "1", "old.csv"), uploads.path("tables", "1", "new.csv")
    with uploads.writing(old) as file:
        file.write(b"old")
    os.utime(old, (0, 0))

    with uploads.writing(new) as file:
        file.write(b"new")
        uploads.remove(old, before=time.time())

    assert (old.exists(), new.read_bytes()) == (False, b"new")


def test_a_pipeline_gets_no_files_of_one_that_could_not_be_stored(service: Service) -> None:
    """Its number is used again."""
    following = service.trigger(repository="by hand") + 1
    left = service.data / "run-files" / str(following) / "table" / "of-another.csv"
    left.parent.mkdir(parents=True)
    left.touch()

    assert service.trigger(repository="by hand") == following
    assert not left.exists()
