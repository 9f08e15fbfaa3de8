"""``packmill-runner hub``: people run notebooks of their own homes, as themselves, and reach no one else's."""

from __future__ import annotations

import json
import pwd
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
import requests
from conftest import ADA, BOB, CARL, People
from jupyterhub_server import ADMIN_TOKEN, CRON_TOKEN, PREFIX, python, user_processes
from waiting import wait_until

pytestmark = pytest.mark.group("hub")


@pytest.fixture(scope="module")
def ada(people: People) -> str:
    return people.hub.token(ADA)


@pytest.fixture(scope="module")
def bob(people: People) -> str:
    return people.hub.token(BOB)


def run(people: People, token: str, owner: str, notebook: str, **parameters: object) -> requests.Response:
    body = {"notebook": notebook, "parameters": parameters}
    return people.hub.ask("POST", f"/user/{owner}/runs?wait=60", token, json=body)


def test_a_notebook_runs_as_its_person_and_its_files_belong_to_this_person(people: People, ada: str) -> None:
    answer = run(people, ada, ADA, "who.ipynb")

    scraps = answer.json()["scraps"]
    account = pwd.getpwnam(ADA)
    assert scraps["uid"] == account.pw_uid
    assert scraps["groups"] == [account.pw_gid]
    data = people.homes[ADA] / ".local/share/packmill"
    assert {path.stat().st_uid for path in [data, *data.rglob("*")]} == {account.pw_uid}
    assert data.stat().st_mode & 0o077 == 0


def test_notebooks_see_no_variable_and_no_token_of_the_hub(people: People, ada: str) -> None:
    names = run(people, ada, ADA, "who.ipynb").json()["scraps"]["names"]

    assert not [name for name in names if name.startswith(("JUPYTERHUB_", "PACKMILL_SERVE", "SECRET", "CONFIGPROXY"))]
    server = min(user_processes(ADA))
    environment = Path(f"/proc/{server}/environ").read_bytes()
    assert b"s" * 32 not in environment
    assert b":admin:" not in environment
    assert b"s" * 32 not in Path(f"/proc/{people.hub.service_pid()}/environ").read_bytes()


def test_nobody_lists_runs_or_reads_in_the_home_of_another(people: People, ada: str, bob: str) -> None:
    theirs = run(people, bob, BOB, "double.ipynb", x=21).json()["run"]["id"]
    requests_of_ada = [
        ("GET", f"/user/{BOB}/", {}),
        ("GET", f"/user/{BOB}/notebooks", {}),
        ("GET", f"/user/{BOB}/runs/{theirs}/notebook", {}),
        ("GET", f"/user/{BOB}/schedules", {}),
        ("POST", f"/user/{BOB}/runs", {"json": {"notebook": "double.ipynb"}}),
        ("GET", f"/user/{BOB}/run/double.ipynb", {}),
        ("DELETE", f"/user/{BOB}/runs/{theirs}", {}),
        ("GET", f"/list-notebooks/{BOB}", {}),
        ("POST", "/execute", {"json": {"username": BOB, "notebook_name": "double.ipynb", "parameters": {}}}),
        ("POST", "/run-notebook", {"json": {"params": {}, "input_path": str(people.homes[BOB] / "double.ipynb")}}),
    ]

    answers = [people.hub.ask(method, path, ada, **options) for method, path, options in requests_of_ada]

    assert {answer.status_code for answer in answers} == {403}
    assert f"{BOB}" in answers[0].json()["detail"]
    assert people.hub.ask("GET", f"/user/{BOB}/runs/{theirs}/notebook", bob).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/user/{ADA}%2F..%2F{BOB}/notebooks", 404),
        (f"/user/{ADA}%2Fx/notebooks", 404),
        (f"/user%2F{BOB}/notebooks", 404),
        (f"/list-notebooks%2F{BOB}", 404),
        (f"/list-notebooks/{ADA}%2F..%2F{BOB}", 404),
        ("/user//notebooks", 404),
        ("/user/%00/notebooks", 404),
        ("/user/../notebooks", 403),
        ("/user/nobody/notebooks", 403),
        (f"/user/{ADA.upper()}/notebooks", 403),
    ],
)
def test_no_spelling_of_a_name_leads_elsewhere(people: People, ada: str, path: str, status: int) -> None:
    assert raw_status(people, path, ada) == status


def test_dots_in_a_path_stay_in_the_own_server(people: People, ada: str) -> None:
    assert raw_status(people, f"/user/{ADA}/../{BOB}/notebooks", ada) == 404
    assert raw_status(people, f"/user/{ADA}/notebooks/..%2F..%2F{BOB}%2Fdouble.ipynb", ada) == 404


def raw_status(people: People, path: str, token: str) -> int:
    """The status of a request whose path is sent as it is, to the service itself."""
    with socket.create_connection(("127.0.0.1", people.hub.service_port), timeout=60) as connection:
        head = f"GET {people.hub.prefix}{path} HTTP/1.1\r\nHost: x\r\nAuthorization: token {token}\r\n"
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
        return int(connection.makefile("rb").readline().split()[1])


def test_a_path_of_thousands_of_folders_is_refused_before_their_owners_are_looked_up(people: People, ada: str) -> None:
    answer = people.hub.ask("POST", "/run-notebook", ada, json={"input_path": "/a" * 25_000})

    assert answer.status_code == 400
    assert answer.json()["detail"] == "input_path: more than 4096 characters"


def test_a_header_that_cannot_be_passed_on_is_refused(people: People, ada: str) -> None:
    address = f"{people.hub.prefix}/user/{ADA}/notebooks"
    head = f"GET {address} HTTP/1.1\r\nHost: x\r\nAuthorization: token {ada}\r\nX-A: a\x01b\r\n"
    with socket.create_connection(("127.0.0.1", people.hub.service_port), timeout=60) as connection:
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode())

        assert connection.makefile("rb").readline().split()[1] == b"400"


def test_a_second_length_of_a_body_does_not_shift_the_requests_that_follow(people: People, ada: str) -> None:
    """Requests share connections with the user's server: bytes that one leaves out would be taken from the next one."""
    head = f"POST {people.hub.prefix}/user/{ADA}/nowhere HTTP/1.1\r\nHost: x\r\nAuthorization: token {ada}\r\n"
    lengths = "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n"

    answers = []
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", people.hub.service_port), timeout=60) as connection:
            connection.sendall(f"{head}{lengths}".encode())
            answers.append(connection.makefile("rb").readline().split()[1])
        answers.append(people.hub.ask("GET", f"/user/{ADA}/notebooks", ada).status_code)

    assert answers == [b"404", 200] * 3


def test_no_user_can_enter_the_folder_of_the_sockets(people: People, ada: str) -> None:
    assert people.hub.ask("GET", f"/user/{ADA}/notebooks", ada).status_code == 200
    sockets = list((people.hub.folder / "service/sockets").iterdir())
    code = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"

    done = [
        subprocess.run(
            [str(python), "-c", code, str(path)],
            user=ADA,
            capture_output=True,
            text=True,
            check=False,
        )
        for path in sockets
    ]

    assert sockets
    assert all("PermissionError" in one.stderr for one in done)


def test_a_token_may_be_for_less_than_its_person(people: People) -> None:
    reads = people.hub.token(ADA, f"custom:packmill:read!user={ADA}", "access:services!service=packmill")
    outside = people.hub.token(ADA, f"custom:packmill:run!user={ADA}")

    assert people.hub.ask("GET", f"/user/{ADA}/notebooks", reads).status_code == 200
    assert run(people, reads, ADA, "double.ipynb").status_code == 403
    assert people.hub.ask("GET", f"/user/{ADA}/run/double.ipynb", reads).status_code == 403, "it would run the notebook"
    assert people.hub.ask("GET", f"/user/{ADA}/notebooks", outside).status_code == 403
    assert "access:services!service=packmill" in people.hub.ask("GET", f"/user/{ADA}/notebooks", outside).text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "token wrong-token"},
        {"Authorization": "token é"},
        {"Authorization": "Basic é"},
        {"PRIVATE-TOKEN": "{ada}"},
    ],
)
def test_a_request_needs_a_valid_token_in_the_header(people: People, ada: str, headers: dict[str, str]) -> None:
    sent = {name: value.format(ada=ada).encode() for name, value in headers.items()}

    answer = people.hub.ask("GET", f"/user/{ADA}/notebooks?token={ada}", headers=sent)

    assert answer.status_code == 401
    assert "Basic" not in answer.headers["WWW-Authenticate"], "a browser would ask for a password"


def test_an_address_that_guesses_is_slowed_down_but_its_users_are_not(people: People, ada: str) -> None:
    there, new = {"X-Forwarded-For": "203.0.113.7"}, people.hub.token(BOB)
    assert people.hub.ask("GET", "/user/x/notebooks", ada, headers=there).status_code == 403

    statuses = (
        people.hub.ask("GET", "/docs", f"wrong-{number:04}", headers=there).status_code for number in range(500)
    )

    assert next(status for status in statuses if status != 401) == 429
    assert people.hub.ask("GET", "/docs", new, headers=there).status_code == 429
    assert people.hub.ask("GET", "/docs", ada, headers=there).status_code == 303
    assert people.hub.ask("GET", "/docs", new).status_code == 303, "from elsewhere"


@pytest.mark.parametrize("scheme", ["token", "Bearer", "basic"])
def test_a_token_is_taken_in_three_forms(people: People, ada: str, scheme: str) -> None:
    if scheme == "basic":
        answer = people.hub.ask("GET", f"/user/{ADA}/notebooks", auth=(ADA, ada))
    else:
        answer = people.hub.ask("GET", f"/user/{ADA}/notebooks", headers={"Authorization": f"{scheme} {ada}"})

    assert answer.status_code == 200


def test_a_revoked_token_starts_nothing_from_then_on(people: People) -> None:
    body = people.hub.api("POST", f"/users/{ADA}/tokens").json()
    assert run(people, body["token"], ADA, "double.ipynb").status_code == 200

    people.hub.api("DELETE", f"/users/{ADA}/tokens/{body['id']}")

    assert run(people, body["token"], ADA, "double.ipynb").status_code == 401
    wait_until(
        lambda: people.hub.ask("GET", f"/user/{ADA}/notebooks", body["token"]).status_code == 401,
        message="the token reads nothing",
    )


@pytest.mark.parametrize("path", [f"/user/{ADA}/runs", "/execute"])
@pytest.mark.parametrize("is_revoked", [True, False])
def test_a_token_that_is_revoked_while_a_body_arrives_starts_nothing(
    people: People, ada: str, path: str, is_revoked: bool
) -> None:
    made = people.hub.api("POST", f"/users/{ADA}/tokens").json()
    body = json.dumps({"notebook" if "runs" in path else "notebook_name": "double.ipynb"}).encode()
    before = people.hub.ask("GET", f"/user/{ADA}/runs", ada).json()

    def arrive(lines: BinaryIO) -> Iterator[bytes]:
        assert lines.readline().startswith(b"HTTP/1.1 100 "), "the head has been checked"
        yield body[:9]
        if is_revoked:
            people.hub.api("DELETE", f"/users/{ADA}/tokens/{made['id']}")
            url = f"/user/{ADA}/notebooks"
            wait_until(lambda: people.hub.ask("GET", url, made["token"]).status_code == 401, message="it reads nothing")
        yield body[9:]

    head = f"POST {PREFIX}{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {made['token']}\r\n"
    head += f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\nPrefer: wait=0\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", people.hub.service_port), timeout=120) as connection:
        connection.sendall(head.encode())
        with connection.makefile("rb") as lines:
            for part in arrive(lines):
                connection.sendall(part)
            statuses = [line.split()[1] for line in lines.read().splitlines() if line.startswith(b"HTTP/1.1 ")]

    assert (statuses == [b"401"]) == is_revoked, statuses
    assert (people.hub.ask("GET", f"/user/{ADA}/runs", ada).json() == before) == is_revoked


def test_a_service_with_the_scope_for_all_acts_for_users_that_it_names(people: People) -> None:
    assert run(people, CRON_TOKEN, ADA, "double.ipynb").status_code == 200
    assert run(people, CRON_TOKEN, BOB, "double.ipynb").status_code == 200
    nobody = people.hub.ask("POST", "/execute", CRON_TOKEN, json={"notebook_name": "double.ipynb", "parameters": {}})
    assert nobody.status_code == 400
    assert "username" in nobody.json()["detail"]
    assert people.hub.ask("GET", f"/user/{ADA}/notebooks", ADMIN_TOKEN).status_code == 403, "no scope of packmill"


def test_a_user_of_the_hub_alone_is_refused_with_the_reason(people: People) -> None:
    answer = people.hub.ask("GET", f"/user/{CARL}/notebooks", people.hub.token(CARL))

    assert answer.status_code == 403
    assert "no such system user" in answer.json()["detail"]


def test_events_of_a_run_arrive_while_it_runs(people: People, ada: str) -> None:
    body = {"notebook": "slow.ipynb", "parameters": {"seconds": 60}}
    started = people.hub.ask("POST", f"/user/{ADA}/runs", ada, json=body).json()

    with people.hub.ask("GET", f"/user/{ADA}/runs/{started['id']}/events", ada, stream=True) as events:
        kinds = (line[7:] for line in events.iter_lines(decode_unicode=True) if line.startswith("event: "))
        assert "cell" in kinds
    assert people.hub.ask("DELETE", f"/user/{ADA}/runs/{started['id']}", ada).status_code in (200, 202, 204)


def test_sizes_and_files_pass_as_they_are(people: People, ada: str) -> None:
    cell = "open(data, 'wb').write(bytes(range(256)) * 4000)"
    people.write(ADA, "files/a b%.ipynb", "data = 'ü #1.bin'  # type: stage-out", cell)

    done = run(people, ada, ADA, "files/a b%.ipynb").json()
    address = next(one["href"] for one in done["outputs"] if one["path"].endswith(".bin"))
    data = people.hub.ask("GET", address.removeprefix(people.hub.prefix), ada)
    part = people.hub.ask("GET", address.removeprefix(people.hub.prefix), ada, headers={"Range": "bytes=10-19"})

    assert data.content == bytes(range(256)) * 4000
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))


def test_large_bodies_are_refused(people: People, ada: str) -> None:
    answer = people.hub.ask("POST", f"/user/{ADA}/runs", ada, data=b"x" * 100_000)

    assert answer.status_code == 413


def test_metrics_need_the_scope_of_the_hub(people: People, ada: str) -> None:
    allowed = people.hub.ask("GET", "/metrics", CRON_TOKEN)

    assert people.hub.ask("GET", "/metrics", ada).status_code == 403
    assert allowed.status_code == 200
    assert "packmill_hub_user_servers" in allowed.text


def test_the_service_describes_itself_and_its_health_to_everyone(people: People) -> None:
    about, health = people.hub.ask("GET", "/"), people.hub.ask("GET", "/health")

    assert "POST /execute" in about.json()["endpoints"]
    assert health.json()["status"] == "healthy"
    assert {"papermill_available", "papermill_path", "hub_available", "timestamp"} <= set(health.json())
    assert json.loads(health.text)["hub_available"] is True
