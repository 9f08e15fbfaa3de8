"""Secrets among the values of a pipeline: jobs get them, and nobody is shown them."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from ci_service import ACCESS, PIPELINE_FILE, Service, make_project

from generator.service.jobs.environment import secrets_to_mask
from generator.service.retention.ended import ended_pipelines
from generator.service.runs.recording import record_earlier
from generator.service.store import masking
from generator.service.store.database import Database, pipelines, sqlite_url
from generator.service.store.hidden_values import HiddenValues
from generator.service.store.job_folders import DataFolder
from generator.shared.errors import UsageError

_SECRET = "sesame-open-41"
_INPUTS = json.dumps({"n": 3, "api_key": _SECRET, "store": {"password": "other-word-42", "bucket": "trees"}})
_FILE = PIPELINE_FILE.replace("variables:\n", 'variables:\n  inputs: ""\n  SERVICE_TOKEN: ""\n  package: ""\n', 1)
_FILE = _FILE.replace("paths: [out/]\n    when", "paths: [out/, packages/]\n    when")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "ada" / "toy", _FILE)


def _stored(service: Service) -> bytes:
    """Everything that the database's files hold."""
    return b"".join(file.read_bytes() for file in service.data.glob("packmill.sqlite3*"))


def _pages(service: Service, number: int) -> str:
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)
    jobs = [f"jobs/{job['id']}" for job in service.jobs(number).values()]
    paths = ["pipelines", f"pipelines/{number}", *jobs]
    return "".join(session.get(f"{service.url}/ada/toy/-/{path}", timeout=60).text for path in paths)


def test_values_that_may_be_secret_reach_the_job_and_nothing_else(another_service: Callable[..., Service]) -> None:
    service = another_service()
    script = 'echo "$inputs"; echo "<$SERVICE_TOKEN>"; mkdir out; echo "$inputs$SERVICE_TOKEN" > out/a'
    address = "https://ada:hunter22@example.org/x.git?sig=very-private"
    number = service.trigger(script=script, inputs=_INPUTS, SERVICE_TOKEN="token-of-ada", repository=address)
    assert service.wait(number) == "success"
    job = service.jobs(number)["one"]["id"]

    assert service.ask("GET", f"/jobs/{job}/artifacts/out/a").text == f"{_INPUTS}token-of-ada\n"
    listed = {one["key"]: one for one in service.get(f"/pipelines/{number}/variables")}
    assert listed["inputs"]["value"] == f"••• ({len(_INPUTS)} characters)"
    assert listed["SERVICE_TOKEN"]["value"] == "••• (12 characters)"
    assert listed["repository"]["value"] == "https://example.org/x.git?"
    assert listed["inputs"]["hidden"] is True
    assert listed["script"] == {"key": "script", "value": script, "variable_type": "env_var"}
    everything = _stored(service).decode(errors="replace") + _pages(service, number) + service.trace(job)
    for secret in (_SECRET, "other-word-42", "token-of-ada", "hunter22", "very-private"):
        assert secret not in everything
    assert '"bucket": "trees"' in service.trace(job)
    file = service.data / "values" / f"{number}.json"
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0


def test_a_retried_job_has_the_values_until_they_are_removed(another_service: Callable[..., Service]) -> None:
    service = another_service()
    number = service.trigger(script='test "$inputs" = "{a: 1}"', inputs="{a: 1}")
    assert service.wait(number) == "success"
    first = service.jobs(number)["one"]["id"]
    service.ask("POST", f"/jobs/{first}/retry")
    assert service.wait(number) == "success"

    (service.data / "values" / f"{number}.json").unlink()
    service.ask("POST", f"/jobs/{service.jobs(number)['one']['id']}/retry")

    assert service.wait(number) == "failed"
    trace = service.trace(service.jobs(number)["one"]["id"])
    assert "inputs: the values are no longer stored; start a new pipeline with them" in trace


def test_values_go_with_their_pipeline(another_service: Callable[..., Service]) -> None:
    service = another_service()
    number = service.trigger(inputs="{a: 1}")
    service.wait(number)
    assert (service.data / "values" / f"{number}.json").is_file()

    assert service.ask("DELETE", f"/pipelines/{number}").status_code == 204

    assert not list((service.data / "values").iterdir())


def test_secret_inputs_of_a_package_are_masked_in_the_log_of_its_run(another_service: Callable[..., Service]) -> None:
    """Only the package knows that the input ``word`` is secret."""
    service = another_service()
    interface = {"inputs": [{"name": "word", "type": "string", "secret": True}, {"name": "place", "type": "string"}]}
    package = {"repository": {}, "commit": {}, "process": {}, "image": {}, "interface": interface}
    folder = "packages/ada/trees/main"
    made = f"mkdir -p {folder}; echo '{json.dumps(package)}' > {folder}/package.json; echo > {folder}/process.cwl"
    number = service.trigger(script=made)
    service.wait(number)
    job = service.jobs(number)["one"]["id"]

    values = json.dumps({"word": "a word\nof two lines", "place": "somewhere"})
    run = service.trigger(script='echo "$inputs"; printf "a word\\nof two lines\\n"', inputs=values, package=str(job))
    service.wait(run)
    trace = service.trace(service.jobs(run)["one"]["id"])

    assert "somewhere" in trace
    assert "of two lines" not in trace


@pytest.fixture
def database(tmp_path: Path) -> Any:
    opened = Database(sqlite_url(tmp_path / "x.sqlite3"))
    yield opened
    opened.close()


def _insert(database: Database, number: int, **values: Any) -> None:
    row = {"sha": "0", "ref": "main", "tag": False, "source": "api", "status": "success", "user": "ada"}
    row |= {"id": number, "created_at": 0.0, "updated_at": 0.0, "variables": []}
    with database.transaction() as connection:
        connection.execute(sa.insert(pipelines).values(**row | values))


def test_what_an_earlier_version_kept_in_clear_is_hidden(database: Database, tmp_path: Path) -> None:
    given = [{"key": "inputs", "value": f"{{k: {_SECRET}}}", "variable_type": "env_var"}]
    _insert(database, 1, variables=given, status="running")
    _insert(database, 2, variables=given, finished_at=time.time())
    _insert(database, 3, variables=given, finished_at=time.time() - 30 * 24 * 3600)
    _insert(database, 4, variables=[{"key": "repository", "value": "x", "variable_type": "env_var"}])
    hidden = HiddenValues(tmp_path / "values")

    assert hidden.hide_earlier(database) == 3
    assert hidden.hide_earlier(database) == 0

    assert _SECRET.encode() not in b"".join(file.read_bytes() for file in tmp_path.glob("x.sqlite3*"))
    with database.connection() as connection:
        kept = {one.id: one.variables for one in connection.execute(sa.select(pipelines))}
    assert hidden.restore(1, kept[1])[0]["value"] == given[0]["value"]
    assert hidden.restore(2, kept[2])[0]["value"] == given[0]["value"]
    with pytest.raises(UsageError, match="no longer stored"):
        hidden.restore(3, kept[3])


def test_values_are_removed_a_week_after_the_end(database: Database, tmp_path: Path) -> None:
    hidden = HiddenValues(tmp_path / "values")
    for number, finished in {1: None, 2: time.time() - 3600, 3: time.time() - 8 * 24 * 3600}.items():
        _insert(database, number, finished_at=finished)
        hidden.keep(number, [{"key": "inputs", "value": "{}"}])
    hidden.keep(4, [{"key": "inputs", "value": "{}"}])

    hidden.remove_old(database)

    assert sorted(path.name for path in hidden.folder.iterdir()) == ["1.json", "2.json"]


@pytest.mark.parametrize(
    "read",
    [
        lambda database, data: data.hidden.hide_earlier(database),
        lambda database, data: data.hidden.remove_old(database),
        record_earlier,
        lambda database, _: ended_pipelines(database),
    ],
    ids=["hide", "remove-old", "record", "ended"],
)
def test_variables_of_very_many_pipelines_are_not_in_memory_at_once(
    database: Database, tmp_path: Path, read: Callable[[Database, DataFolder], object]
) -> None:
    """A token may let gigabytes of them wait, which a start of the service reads."""
    data, size = DataFolder(tmp_path), 500_000
    variables = [{"key": "package", "value": "x"}, {"key": "note", "value": "x y " * (size // 4)}]
    for number in range(1, 17):
        _insert(database, number, variables=variables)
        data.hidden.keep(number, [{"key": "inputs", "value": "{}"}])

    tracemalloc.start()
    try:
        read(database, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 8 * size


@pytest.mark.parametrize(
    ("document", "masked"),
    [
        ("a: b", []),
        ("{a: ordinary, my_token: abcdef}", ["abcdef"]),
        ("key: {deep: [first1, {x: second}]}", ["first1", "second"]),
        ("pin: 1234567\nname: ada", ["1234567"]),
        ("password: abc", []),
        ('aws_secret_access_key: "a/b\\"c"', ['a/b"c', 'a/b\\"c']),
        ("a: &one longer\nmy_secret: *one", ["longer"]),
        ("{not: [closed, at all", ["{not: [closed, at all"]),
        ("", []),
    ],
)
def test_secrets_are_found_in_the_values_of_a_run(document: str, masked: list[str]) -> None:
    assert sorted(masking.secret_texts(document, frozenset({"pin"}))) == sorted(
        {form for text in masked for form in (text, json.dumps(text)[1:-1])} if '"' not in document else masked
    )


@pytest.mark.parametrize(
    ("name", "text", "masked"),
    [
        ("values", "pin=1234567\nplace=somewhere", {"1234567"}),
        ("values", "my_token=abcdef", {"abcdef"}),
        ("values", "pin={a: word1}", {"{a: word1}", "word1"}),
        ("product", "pin=first1,second\nyear=2019..2023", {"first1,second", "first1", "second"}),
        ("values", "place somewhere", set()),
    ],
)
def test_secrets_are_found_in_the_values_of_a_map(name: str, text: str, masked: set[str]) -> None:
    assert set(secrets_to_mask({name: text}, "job-token", secret_inputs=frozenset({"pin"}))) == {"job-token", *masked}
    assert masking.mask_value(name, text) == f"••• ({len(text)} characters)"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://h/x?sig=abc123", ["sig=abc123"]),
        ('{"u": "https://h/x?sig=abc123"}', ["sig=abc123"]),
        ("https://h/x?a=0123456789abcdef&b=1#top", ["a=0123456789abcdef&b=1", "0123456789abcdef"]),
        ("https://a/x?one=1234,https://b/y?two=5678", ["one=1234", "two=5678"]),
        ("see (https://h/x?sig=abc123).", ["sig=abc123"]),
        ("is it https://h/x#top ? yes", []),
        pytest.param("://" * 300_000, [], id="many-schemes"),
        pytest.param("https://h/x?k=12345678 " * 40_000, ["k=12345678"], id="one-url-often"),
    ],
)
def test_queries_of_urls_are_masked_in_a_time_that_grows_with_the_text(text: str, masked: list[str]) -> None:
    assert sorted(masking.query_texts([text])) == sorted(masked)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("AWS_SECRET_ACCESS_KEY", True),
        ("registry_password", True),
        ("MY_TOKEN", True),
        ("secret", True),
        ("repository", False),
        ("checkout", False),
        ("package_process", False),
    ],
)
def test_names_tell_secrets(name: str, secret: bool) -> None:
    assert masking.is_secret(name) is secret
