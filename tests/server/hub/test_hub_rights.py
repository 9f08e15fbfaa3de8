"""Who may do what for whom, and as which system user, without a hub."""

from __future__ import annotations

import argparse
import os
import pwd
import sys
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import pytest
from starlette.requests import Request

pytest.importorskip("jupyterhub")

from generator.runner.cli import main
from generator.runner.server.hub.accounts import account_finder, owner_of_path
from generator.runner.server.hub.environment import read_environment
from generator.runner.server.hub.guard import _BY_BROWSER, Guard
from generator.runner.server.hub.scopes import Caller
from generator.runner.server.hub.serve import _own_folder
from generator.runner.server.problems import ProblemError
from generator.shared.failures import BadInputsError

RUN, READ, ADMIN = "custom:packmill:run", "custom:packmill:read", "custom:packmill:admin"


@pytest.mark.parametrize(
    ("kind", "scopes", "may"),
    [
        ("user", [], ""),
        ("user", [READ], "read ada"),
        ("user", [RUN], "read ada, run ada"),
        ("user", [f"{RUN}!user=ada"], "read ada, run ada"),
        ("user", [f"{RUN}!user=bob"], "read bob, run bob"),
        ("user", [f"{READ}!user=bob", RUN], "read ada, run ada, read bob"),
        ("user", [ADMIN], "read ada, run ada, read bob, run bob"),
        ("user", [f"{ADMIN}!user=bob"], "read bob, run bob"),
        ("user", [f"{RUN}!group=x"], ""),
        ("service", [], ""),
        ("service", [READ], "read ada, read bob"),
        ("service", [RUN], "read ada, run ada, read bob, run bob"),
        ("service", [f"{RUN}!user=bob"], "read bob, run bob"),
    ],
)
def test_a_scope_of_a_person_is_for_the_own_home_unless_it_names_one(kind: str, scopes: list[str], may: str) -> None:
    """A service that has the name of a user is not this user."""
    caller = Caller(name="ada", kind=kind, scopes=frozenset(scopes))

    rights = [f"{action} {user}" for user in ("ada", "bob") for action in ("read", "run") if caller.may(action, user)]

    assert ", ".join(rights) == may


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-origin", "referer": "http://hub/services/packmill/user/ada/"}, True),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"referer": "http://hub/user/bob/files/page.html"}, False),
    ],
)
def test_a_page_that_does_not_name_itself_is_none_of_the_service(headers: dict[str, str], *, passes: bool) -> None:
    """A page of a user's Jupyter server has the same origin, and can have the browser leave out the Referer header."""
    sent = [(name.encode(), value.encode()) for name, value in {"host": "hub", **headers}.items()]
    path = "/services/packmill/user/ada/run/double.ipynb"
    request = Request({"type": "http", "method": "GET", "path": path, "headers": sent, _BY_BROWSER: True})
    guard = Guard(Mock(), Mock(), base_url="/services/packmill", per_minute=0, at_once=1)

    with nullcontext() if passes else pytest.raises(ProblemError, match="another part of JupyterHub"):
        guard.check_page(request)


def test_notebooks_of_root_and_of_system_accounts_do_not_run() -> None:
    for uid in (0, 999):
        finder = account_finder(home=None, least_uid=uid + 1)
        with pytest.raises(ProblemError, match="below"):
            finder(pwd.getpwuid(0).pw_name)
    with pytest.raises(ProblemError, match="uid 0"):
        account_finder(home=None, least_uid=0)("root")


def test_a_service_that_is_not_root_refuses_others_and_names_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    other = next(entry.pw_name for entry in pwd.getpwall() if entry.pw_uid not in (0, 12345))

    with pytest.raises(ProblemError, match=r"cannot run notebooks as uid .*--home"):
        account_finder(home=None, least_uid=1)(other)


def test_homes_of_a_shared_system_user_need_a_template_and_never_run_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(BadInputsError, match="as root"):
        account_finder(home="/tmp/{username}", least_uid=1)
    for template in ("/tmp", "tmp/{username}"):
        with pytest.raises(BadInputsError, match="absolute path"):
            account_finder(home=template, least_uid=1)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "a\0b", "a\nb"])
def test_a_name_is_no_path(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: pwd.getpwall()[-1].pw_uid)
    for home in (None, "/tmp/{username}"):
        with pytest.raises(ProblemError, match="no such user"):
            account_finder(home=home, least_uid=1)(name)


@pytest.mark.parametrize(
    ("path", "home", "owner"),
    [
        ("/tmp/ada/x.ipynb", "/tmp/{username}", "ada"),
        ("/tmp/d e/a/b.ipynb", "/tmp/{username}", "d e"),
        ("/srv/ada/work/x.ipynb", "/srv/{username}/work", "ada"),
        ("/srv/ada/x.ipynb", "/srv/{username}/work", None),
        ("/tmp/ada", "/tmp/{username}", None),
        ("/etc/passwd", "/tmp/{username}", None),
        ("x.ipynb", None, None),
        ("/nowhere/x\0.ipynb", None, None),
        (f"{pwd.getpwuid(0).pw_dir}/a/x.ipynb", None, "root"),
    ],
)
def test_a_path_below_a_home_names_its_user(path: str, home: str | None, owner: str | None) -> None:
    assert owner_of_path(path, home) == owner


def test_the_folder_of_the_service_is_for_it_alone(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    assert _own_folder(folder).stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    (tmp_path / "link").symlink_to(tmp_path)

    for path in (folder, tmp_path / "link"):
        with pytest.raises(BadInputsError, match="0700"):
            _own_folder(path)


def test_without_jupyterhub_the_command_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jupyterhub", None)
    monkeypatch.delitem(sys.modules, "generator.runner.server.hub.serve", raising=False)
    for name in [name for name in sys.modules if name.startswith(("jupyterhub.", "generator.runner.server.hub."))]:
        monkeypatch.delitem(sys.modules, name)
    from generator.runner.server.hub.start import start

    with pytest.raises(BadInputsError, match=r"pip install 'packmill\[jupyterhub\]'"):
        start(argparse.Namespace(), print)


@pytest.mark.parametrize(
    "words",
    [
        ["--", "--nonsense"],
        ["--", "--workers", "many"],
        ["--rate-limit", "-1"],
        ["--", "--database=postgresql://x/y"],
        ["--", "--databas=postgresql://x/y"],
        ["--", "--root=/"],
    ],
)
def test_options_are_checked_at_the_start_those_of_users_servers_too(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["hub", *words])

    assert words[-1].partition("=")[0] in capsys.readouterr().err


def test_the_variables_of_the_hub_are_needed() -> None:
    whole = {
        "JUPYTERHUB_API_URL": "http://127.0.0.1:8081/hub/api",
        "JUPYTERHUB_API_TOKEN": "x",
        "JUPYTERHUB_SERVICE_PREFIX": "/services/packmill/",
        "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:10101",
        "JUPYTERHUB_CLIENT_ID": "service-packmill",
    }

    read = read_environment(whole)

    assert (read.base_url, read.host, read.port, read.managed) == ("/services/packmill", "127.0.0.1", 10101, False)
    assert read_environment({**whole, "JUPYTERHUB_SERVICE_NAME": "packmill"}).managed
    for name in whole:
        with pytest.raises(BadInputsError, match=name):
            read_environment({**whole, name: ""})
    with pytest.raises(BadInputsError, match=r"http://127\.0\.0\.1:10101"):
        read_environment({**whole, "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1"})
