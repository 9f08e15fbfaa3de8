"""What someone hostile, careless or unlucky could do to the service."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from ci_service import ACCESS, TRIGGER, Service, make_project
from forked_programs import PACKMILL, run
from waiting import processes_naming, wait_until

from generator.ci import checks as checking
from generator.ci.artifacts import fetch_package
from generator.package.file_objects import refuse_local_files
from generator.progress import Progress
from generator.service.pages import log
from generator.service.pages.sessions import signing_key
from generator.shared.errors import UsageError

_FORMS = ("/-/sign-in", "/api/v4/projects/1/trigger/pipeline")
_FAKE = {"repository": {}, "commit": {}, "process": {}, "image": {}, "interface": {}, "documents": []}


def test_a_package_that_a_run_wrote_is_none(service: Service, marks: Path, tmp_path: Path) -> None:
    """A notebook can write a process.cwl whose command would run on the host."""
    text = json.dumps(json.dumps(_FAKE))
    script = f"mkdir -p out/fake; echo {text} > out/fake/package.json; echo x > out/fake/process.cwl"
    number = service.trigger(script=script)
    service.wait(number)
    job = service.jobs(number)["one"]["id"]
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)

    assert "Package out/fake" not in session.get(f"{service.url}/ada/toy/-/jobs/{job}", timeout=60).text
    assert session.get(f"{service.url}/ada/toy/-/jobs/{job}/package/out/fake", timeout=60).status_code == 404
    environment = {"package": str(job), "CI_API_V4_URL": f"{service.url}/api/v4", "CI_PROJECT_ID": "1"}
    token = marks / "token"
    other = service.trigger(script=f'echo "$CI_JOB_TOKEN" > {token}; sleep 300')
    service.wait(other, "running")
    wait_until(lambda: token.is_file() and token.read_text())
    with pytest.raises(UsageError, match="has no package in its artifacts"):
        fetch_package({**environment, "CI_JOB_TOKEN": token.read_text().strip()}, tmp_path / "package")


def test_an_example_run_is_given_files_of_the_package_alone(tmp_path: Path) -> None:
    """A notebook whose default names a file of the host would get it into its container."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    folder = tmp_path / "packages" / "a"
    folder.mkdir(parents=True)
    (folder / "process.cwl").write_text("inputs: {table: {type: 'File[]'}}")
    (folder / "inputs.yml").write_text(f"table: [{{class: File, path: {secret}}}]")
    interface = {"inputs": [], "stage_in": [{"name": "table", "type": "File[]"}]}
    (folder / "package.json").write_text(json.dumps({"documents": [], "interface": interface}))

    ran = checking._run_example(folder, "a", tmp_path / "out", Progress(), limits=None, network=None)

    assert ran.skipped == "no example value for table"


@pytest.mark.parametrize(
    "value",
    [
        {"class": "File", "path": "/etc/passwd"},
        {"class": "File", "location": "file:///etc/passwd"},
        [{"class": "File", "path": "../../../../etc/passwd"}],
        {"deep": [{"class": "Directory", "path": "/"}]},
        {"class": "File", "path": "a.csv", "secondaryFiles": [{"class": "File", "path": "/etc/passwd"}]},
    ],
)
def test_a_run_that_others_ask_for_reads_no_file_of_this_machine(value: object, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="local files are not allowed here"):
        refuse_local_files({"x": value}, tmp_path)


def test_a_retried_pipeline_keeps_the_order_of_its_stages(service: Service) -> None:
    number = service.trigger(script="sleep 0.6", later="true")
    service.wait(number, "running")
    service.ask("POST", f"/pipelines/{number}/cancel")
    service.wait(number)
    service.ask("POST", f"/pipelines/{number}/retry")

    assert service.jobs(number)["two"]["status"] == "created"
    assert service.wait(number) == "success"
    jobs = service.jobs(number)
    assert jobs["one"]["finished_at"] <= jobs["two"]["started_at"]


@pytest.mark.parametrize("repository", ["https://[a@b", "https://u:p@[::1", "://:@", "\x1b[31m", "a\nb"])
def test_a_repository_that_is_no_url_does_not_stop_the_queue(service: Service, repository: str) -> None:
    assert service.wait(service.trigger(repository=repository)) == "success"


def test_a_password_in_a_url_shows_on_no_page_and_in_no_log(service: Service) -> None:
    number = service.trigger(repository="https://ada:hunter22@example.org/x.git", script="echo $repository")
    service.wait(number)
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)

    for path in ("pipelines", f"pipelines/{number}", f"jobs/{service.jobs(number)['one']['id']}"):
        assert "hunter22" not in session.get(f"{service.url}/ada/toy/-/{path}", timeout=60).text
    assert "hunter22" not in service.trace(service.jobs(number)["one"]["id"])


def test_what_does_not_want_to_end_is_ended(service: Service, marks: Path) -> None:
    mark = marks / "unwilling"
    number = service.trigger(script=f"trap '' TERM; (trap '' TERM; sleep 300; touch {mark}) & echo begun")

    assert service.wait(number) == "success"
    wait_until(lambda: not processes_naming(f"touch {mark}"), message="the unwilling process has ended")
    assert not mark.exists()


def test_file_names_that_are_no_text_are_kept_all_the_same(service: Service) -> None:
    number = service.trigger(script="mkdir out; touch $'out/\\xff\\xfe.txt'; printf 'A=a\\0b\\nB=c\\n' > made.env")

    assert service.wait(number) == "success"
    assert service.ask("GET", f"/jobs/{service.jobs(number)['one']['id']}/artifacts").status_code == 200


def test_a_long_file_name_that_is_no_text_fails_no_later_job(service: Service) -> None:
    """In UTF-8, each byte of it became three, and no file system has such a name."""
    number = service.trigger(script=r"mkdir out; touch out/$(printf '\351%.0s' $(seq 200))", later="ls out")

    assert service.wait(number) == "success"
    assert "?" * 200 in service.trace(service.jobs(number)["two"]["id"])


def test_artifacts_that_are_too_large_fail_the_job(another_service: Callable[..., Service]) -> None:
    service = another_service("--artifacts-limit", "1")
    number = service.trigger(script="mkdir out; head -c 2000000 /dev/urandom > out/big")

    assert service.wait(number) == "failed"
    assert "artifacts: larger than the limit of 1048576 bytes" in service.trace(service.jobs(number)["one"]["id"])


@pytest.mark.parametrize("field", ["token", "ref", "variables"])
def test_text_that_is_no_unicode_is_refused(service: Service, field: str) -> None:
    body = {"token": TRIGGER, "ref": "main", "variables": {}}
    given = json.dumps({**body, field: {"repository": "\ud800"} if field == "variables" else "\ud800"})
    answer = requests.post(f"{service.root}/trigger/pipeline", data=given.encode(), timeout=60)

    assert answer.status_code == 400


@pytest.mark.parametrize("many", ["[]", "{}", "0", '""', '"\\\\"', '"\\""'])
def test_json_of_very_many_values_is_refused_without_a_token(many: str, service: Service) -> None:
    """Sixty bodies of empty lists, each of a megabyte, took 1.6 GB and half a minute."""
    values = ",".join([many] * 100_000)
    body = f'{{"token": "x", "ref": "main", "inputs": [{values}]}}'
    answer = requests.post(f"{service.root}/trigger/pipeline", data=body, timeout=60)

    assert (answer.status_code, answer.json()) == (400, {"error": "the body has more than 10000 values"})


def test_a_text_in_json_may_have_any_characters(service: Service) -> None:
    text = '[{,:"\\' * 20_000
    body = json.dumps({"token": TRIGGER, "ref": "main", "variables": {"repository": text}})
    answer = requests.post(f"{service.root}/trigger/pipeline", data=body, timeout=60)
    variables = service.get(f"/pipelines/{answer.json()['id']}/variables")

    assert [one["value"] for one in variables] == [text]


def test_malformed_forms_leave_nothing_in_the_log(project: Path, tmp_path: Path) -> None:
    """Clients without a token could fill the disk with it."""
    service = Service(project, tmp_path / "data", fresh=True).start()  # the runner's server sets up logs, too
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    refused = [requests.post(f"{service.url}{path}", data=b"--y", headers=headers, timeout=60) for path in _FORMS]
    service.stop()

    assert [one.status_code for one in refused] == [400, 400]
    assert "boundary" not in service.data.with_suffix(".log").read_text()


@pytest.mark.parametrize(
    "path", [*_FORMS, "/api/v4/projects/1/hooks", "/ada/toy/-/jobs/1/map/out", "/ada/toy/-/jobs/1/package/out"]
)
def test_a_form_in_another_charset_than_utf_8_is_refused(path: str, service: Service) -> None:
    """Decoders that a client could choose took minutes for a megabyte, before a token was checked."""
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)
    body = b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\nabc\r\n--x--\r\n'
    answered = {}
    for charset in ("latin-1", '"UTF-16"', "utf-8", '"UTF8"'):
        headers = {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}
        answered[charset] = session.post(service.url + path, data=body, headers=headers, timeout=60)

    assert [answered[charset].status_code for charset in ("latin-1", '"UTF-16"')] == [415, 415]
    assert "send it in UTF-8" in answered["latin-1"].text
    assert {415, 500}.isdisjoint(answered[charset].status_code for charset in ("utf-8", '"UTF8"'))


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "null", ""])
def test_an_origin_that_is_not_an_address_is_foreign(origin: str, service: Service) -> None:
    """Each such request left a traceback in the log, from clients without a token."""
    headers = {"Origin": origin}
    answer = requests.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, headers=headers, timeout=60)

    assert answer.status_code == 403


def test_a_path_with_a_line_break_or_without_end_reaches_no_route(service: Service) -> None:
    """A route with two paths tried all ways to divide such a path, before it checked a token."""
    longest = "/".join(["e" * 249] * 14)  # of an artifact
    for file, status in (("b", 401), (longest, 401), ("b%0A", 404), ("b" * 8000, 404)):
        answer = requests.get(f"{service.root}/jobs/artifacts/a/raw/{file}", params={"job": "one"}, timeout=60)
        assert answer.status_code == status, file[:20]


def test_odd_addresses_are_not_found(service: Service) -> None:
    for path in (
        f"/pipelines/{'9' * 5000}",
        f"/jobs/{'9' * 300}/artifacts/a",
        "/pipelines?ref=%00",
        "/pipelines/latest?ref=%00",
        "/jobs/artifacts/%00/download?job=x",
    ):
        assert service.ask("GET", path).status_code in (400, 404), path
    for number, status in ((1, 401), (1 << 63, 404)):  # which no database takes: it reaches no route
        assert requests.delete(f"{service.root}/pipelines/{number}", timeout=60).status_code == status
    deep = "&".join(["variables" + "[a]" * 3000 + "=1", f"token={TRIGGER}", "ref=main"])
    answer = requests.post(
        f"{service.root}/trigger/pipeline",
        data=deep,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        timeout=60,
    )
    assert answer.status_code == 400


def test_a_result_with_a_long_name_of_digits_is_sent(service: Service) -> None:
    """Only where a route has a number does a longer one than rows have name nothing."""
    number = service.trigger(script="mkdir -p out/20261130171840123456; echo x > out/20261130171840123456/plot.txt")
    service.wait(number)
    job = service.jobs(number)["one"]["id"]

    assert service.ask("GET", f"/jobs/{job}/artifacts/out/20261130171840123456/plot.txt").text == "x\n"


@pytest.mark.parametrize(
    "line",
    [
        b"section_start:1:a[" * 20_000,
        b"section_start:" + b"1" * 5000 + b":x\r",
        b"\x1b[" + b"1" * 5000 + b"m",
        b"\x1b]" * 50_000,
        b"\x1b[0K" * 50_000,
    ],
)
def test_no_line_of_a_log_holds_the_service_up(line: bytes) -> None:
    began = time.process_time()
    log.lines(line + b"\n")

    assert time.process_time() - began < 1  # these took minutes, or failed


def test_a_line_without_end_is_shown_in_pieces() -> None:
    found, taken = log.lines(b"x" * (1 << 20))

    assert taken == 1 << 20
    assert found[0]["html"].endswith("more characters")


def test_an_empty_key_signs_nothing(tmp_path: Path) -> None:
    (tmp_path / "session.key").touch()

    assert len(signing_key(tmp_path)) == 32
    assert signing_key(tmp_path) == signing_key(tmp_path)
    assert (tmp_path / "session.key").stat().st_mode & 0o077 == 0


def test_two_services_do_not_share_a_database(
    another_service: Callable[..., Service], project: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/shared.sqlite3"
    another_service(database=url)

    with pytest.raises(AssertionError, match="another 'packmill serve' uses this database"):
        Service(project, tmp_path / "elsewhere", database=url).start()


def test_a_first_token_that_could_be_guessed_makes_none(project: Path, tmp_path: Path) -> None:
    service = Service(project, tmp_path / "data")
    service.environment["PACKMILL_CI_ACCESS_TOKEN"] = "short"
    with pytest.raises(AssertionError, match="is too short; use at least"):
        service.start()
    service.environment["PACKMILL_CI_ACCESS_TOKEN"] = ACCESS
    service.start()
    try:
        assert service.get("/pipelines") == []
        assert service.trigger() == 1
    finally:
        service.stop()


def test_a_port_that_is_taken_is_said_before_anything_starts(service: Service, project: Path, tmp_path: Path) -> None:
    done = run(PACKMILL, "serve", "--project", project, "--data", tmp_path / "data", "--port", service.port)

    assert done.returncode == 2
    assert "Address already in use; choose another --host or --port" in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {script: x, needs: []}", "keyword 'needs' is not supported"),
        ("a: {script: x, rules: always}", "rules: must be a list"),
        ("a: {script: x}\nvariables: [b]", "is not a mapping"),
        ("a: {script: x, allow_failure: {exit_codes: {}}}", "is not a whole number"),
    ],
)
def test_a_project_whose_pipeline_cannot_be_run_is_refused_at_start(tmp_path: Path, text: str, message: str) -> None:
    project = make_project(tmp_path / "ada" / "odd", text)

    with pytest.raises(AssertionError) as refused:
        Service(project, tmp_path / "data").start()
    assert message in str(refused.value)
