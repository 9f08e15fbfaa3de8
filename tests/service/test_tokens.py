"""Tokens: shown once, kept as digests, good for what their scopes say and as long as they last."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import requests
import sqlalchemy as sa
from ci_service import Service
from support import Finished
from waiting import wait_until

from generator.service.store import tokens
from generator.service.store.database import Database, rows, sessions, sqlite_url
from generator.service.store.first_tokens import create_first_tokens
from generator.service.store.opening import open_database


@pytest.fixture
def token(service: Service, packmill: Callable[..., Finished]) -> Callable[..., Finished]:
    """Runs ``packmill token`` on the data of the running service."""

    def run(*words: str) -> Finished:
        return packmill("token", *words, "--data", service.data)

    return run


def _status(service: Service, token: str, method: str = "GET", path: str = "/pipelines") -> int:
    return service.ask(method, path, token=token).status_code


def test_a_token_is_shown_once_and_kept_as_a_digest(service: Service, token: Callable[..., Finished]) -> None:
    made = token("create", "ada").out.strip()

    assert made.startswith("glpat-")
    assert len(made) > 40
    assert _status(service, made) == 200
    listed = token("list").out
    assert "ada" in listed
    assert made not in listed
    for file in service.data.glob("packmill.sqlite3*"):
        assert made.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("scope", "reads", "writes", "triggers"),
    [("api", 200, 404, 404), ("read_api", 200, 403, 404), ("trigger", 403, 403, 201)],
)
def test_a_scope_is_all_that_a_token_may_do(
    service: Service, token: Callable[..., Finished], scope: str, reads: int, writes: int, triggers: int
) -> None:
    made = token("create", f"one-{scope}", "--scope", scope).out.strip()

    assert _status(service, made) == reads
    assert _status(service, made, "POST", "/pipelines/999999/cancel") == writes
    form = {"token": made, "ref": "main"}
    assert requests.post(f"{service.root}/trigger/pipeline", data=form, timeout=60).status_code == triggers


@pytest.mark.parametrize("lifetime", ["0", "", "soon"])
def test_a_token_without_a_lifetime_is_no_token_without_an_end(lifetime: str, token: Callable[..., Finished]) -> None:
    refused = token("create", "brief", "--expires", lifetime)

    assert (refused.code, refused.out) == (2, "")
    assert "--expires" in refused.err


def test_a_token_that_cannot_be_shown_is_not_created(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "tokens.sqlite3"))

    def fail(_token: str) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        tokens.create(database, name="ada", scopes=("api",), show=fail)
    assert tokens.list_tokens(database) == []


def test_a_token_ends_with_its_time(service: Service, token: Callable[..., Finished]) -> None:
    made = token("create", "brief", "--expires", "5 seconds").out.strip()

    assert _status(service, made) == 200
    wait_until(lambda: _status(service, made) == 401)


def test_a_revoked_token_opens_nothing_and_ends_its_sessions(service: Service, token: Callable[..., Finished]) -> None:
    made = token("create", "leaver").out.strip()
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": made}, timeout=60)
    page = f"{service.url}/ada/toy/-/pipelines"
    assert session.get(page, timeout=60, allow_redirects=False).status_code == 200

    assert token("revoke", "leaver").code == 0
    assert _status(service, made) == 401
    assert session.get(page, timeout=60, allow_redirects=False).status_code == 303
    assert "revoked" in token("list").out


def _sign_in(service: Service, token: str) -> requests.Session:
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": token}, timeout=60)
    return session


def _opens(session: requests.Session, service: Service) -> bool:
    page = session.get(f"{service.url}/ada/toy/-/pipelines/new", timeout=60, allow_redirects=False)
    return page.status_code == 200


def test_signing_out_ends_the_session_for_every_copy_of_its_cookie(
    service: Service, token: Callable[..., Finished]
) -> None:
    made = token("create", "traveler").out.strip()
    session, other = _sign_in(service, made), _sign_in(service, made)
    copy = requests.Session()
    copy.cookies.update(session.cookies)
    form = session.get(f"{service.url}/ada/toy/-/pipelines/new", timeout=60).text
    word = re.findall(r'name="form_token" value="([0-9a-f]+)"', form)[0]
    assert _opens(copy, service)

    session.post(f"{service.url}/-/sign-out", data={"form_token": word}, timeout=60)

    assert not _opens(copy, service)
    assert _opens(other, service)


def test_a_session_is_kept_as_a_digest_and_goes_with_its_token(
    service: Service, token: Callable[..., Finished]
) -> None:
    session = _sign_in(service, token("create", "visitor").out.strip())
    word = session.cookies["packmill_session"].split(".")[2]
    for file in service.data.glob("packmill.sqlite3*"):
        assert word.encode() not in file.read_bytes()

    assert token("revoke", "visitor").code == 0
    with sqlite3.connect(service.data / "packmill.sqlite3") as database:
        digests = [row[0] for row in database.execute("SELECT id FROM sessions")]
    database.close()
    assert hashlib.sha256(word.encode()).hexdigest() not in digests


def test_a_start_warns_of_a_given_token_that_replaces_no_earlier_one(tmp_path: Path) -> None:
    """As after an edit of ``secrets/access_token``, from which a leaked token stays valid."""
    database, said = Database(sqlite_url(tmp_path / "x.sqlite3")), list[str]()
    given = {"PACKMILL_CI_TRIGGER_TOKEN": "t" * 20, "PACKMILL_CI_ACCESS_TOKEN": "a" * 20}
    for _ in range(2):
        create_first_tokens(database, given, tmp_path, said.append)
    assert not [line for line in said if line.startswith("warning")]
    said.clear()

    edited = given | {"PACKMILL_CI_ACCESS_TOKEN": "b" * 20}
    create_first_tokens(database, edited, tmp_path, said.append)
    assert [line.partition(": not")[0] for line in said] == ["warning: PACKMILL_CI_ACCESS_TOKEN"]
    assert f"'packmill token revoke access --data {tmp_path}' and 'packmill token create access --scope api" in said[0]

    tokens.revoke(database, "access")
    replaced = given | {"PACKMILL_CI_ACCESS_TOKEN": tokens.create(database, name="access", scopes=["api"])}
    for environment, warnings in ((given, 2), (replaced, 2)):
        create_first_tokens(database, environment, tmp_path, said.append)
        assert len(said) == warnings
    assert not any("a" * 20 in line or "b" * 20 in line for line in said)
    database.close()


def test_a_session_ends_with_its_time_and_is_removed(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "x.sqlite3"))
    tokens.create(database, name="ada", scopes=["api"])
    ada = tokens.Identity(id=1, name="ada", scopes=frozenset(["api"]))
    over = tokens.begin_session(database, ada, expires_at=time.time() - 1)
    assert tokens.find_by_session(database, over) is None

    good = tokens.begin_session(database, ada, expires_at=time.time() + 9)
    tokens.remove_expired_sessions(database)

    assert tokens.find_by_session(database, good) == ada
    with database.connection() as connection:
        assert len(rows(connection, sa.select(sessions))) == 1
    database.close()


def test_signing_in_again_and_again_ends_the_oldest_sessions_of_that_token_alone(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "x.sqlite3"))
    ada, bob = (tokens.find(database, tokens.create(database, name=name, scopes=["api"])) for name in ("ada", "bob"))
    assert ada
    assert bob
    now = time.time()
    other = tokens.begin_session(database, bob, expires_at=now + 60)
    begun = [tokens.begin_session(database, ada, expires_at=now + 3600 + number) for number in range(103)]

    assert [n for n, secret in enumerate(begun) if tokens.find_by_session(database, secret)] == list(range(3, 103))
    assert tokens.find_by_session(database, other) == bob
    database.close()


def test_a_database_from_before_there_were_sessions_gets_them(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "x.sqlite3"))
    made = tokens.create(database, name="ada", scopes=["api"])
    with database.transaction() as connection:
        connection.execute(sa.text("DROP TABLE sessions"))
    database.close()
    database = Database(sqlite_url(tmp_path / "x.sqlite3"))
    ada = tokens.find(database, made)
    assert ada

    assert tokens.find_by_session(database, tokens.begin_session(database, ada, expires_at=time.time() + 9)) == ada
    database.close()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("create",), "needs a name"),
        (("create", "x", "--scope", "root"), "unknown; use api, read_api, trigger"),
        (("create", "x", "--expires", "soon"), "not a duration"),
        (("revoke", "nobody"), "no valid token"),
    ],
)
def test_what_cannot_be_meant_is_refused(token: Callable[..., Finished], words: tuple[str, ...], message: str) -> None:
    refused = token(*words)

    assert refused.code == 2
    assert message in refused.err


def test_a_process_that_reads_writes_nothing_to_the_database_and_waits_for_no_writer(tmp_path: Path) -> None:
    """Such as ``packmill token list``, also on a full disk; each further connection of the service is opened so too."""
    url, log = sqlite_url(tmp_path / "packmill.sqlite3"), tmp_path / "packmill.sqlite3-wal"
    database = Database(url)
    tokens.create(database, name="ada", scopes=["api"])
    size = log.stat().st_size

    with database.transaction() as writing:
        writing.execute(sa.delete(sessions))
        reader = Database(url)
        assert [one["name"] for one in tokens.list_tokens(reader)] == ["ada"]
        assert log.stat().st_size == size

    reader.close()
    database.close()


def test_the_database_is_its_owners_alone(tmp_path: Path) -> None:
    """Also the files that SQLite puts beside it, in a folder that the account of jobs may enter."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "packmill.sqlite3").touch(mode=0o644)
    database = open_database(data, None)
    tokens.create(database, name="ada", scopes=["api"])

    modes = {path.name: path.stat().st_mode & 0o777 for path in data.iterdir() if path.name.startswith("packmill.")}

    assert set(modes) >= {"packmill.sqlite3", "packmill.sqlite3-wal", "packmill.sqlite3-shm"}
    assert set(modes.values()) == {0o600}, modes
    database.close()
