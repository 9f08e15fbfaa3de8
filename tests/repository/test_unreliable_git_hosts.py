"""A git host that fails, limits requests, breaks connections or lets its certificate expire: fetch and deposit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from certificates import Authority
from faulty_proxy import Fault, faulty_proxy
from git_servers import https_server
from support import commit_all, git, write_notebook

from generator.repository import deposit as depositing
from generator.repository import git_environment, temporary_failures
from generator.repository.address import parse_repository
from generator.repository.deposit import Deposited, deposit
from generator.repository.destination import parse_destination
from generator.repository.fetch import Checkout, fetch
from generator.shared.errors import PublishError, RepositoryError

_TOKEN = "0pen-s3same"
_REFS, _PACK, _PUSH = "info/refs", "git-upload-pack", "git-receive-pack"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A git host with the repositories ``ada/trees`` and ``team/deposit``, and the proxy that breaks its answers."""
    srv, keys = tmp_path / "srv", tmp_path / "keys"
    for folder in (keys, srv / "team" / "deposit.git"):
        folder.mkdir(parents=True)
    write_notebook(tmp_path / "work" / "process.ipynb", "n = 1")
    commit_all(tmp_path / "work")
    git(tmp_path, "clone", "--quiet", "--bare", str(tmp_path / "work"), str(srv / "ada" / "trees.git"))
    git(srv / "team" / "deposit.git", "init", "--quiet", "--bare", "--initial-branch=main")
    for module in (temporary_failures, depositing):
        monkeypatch.setattr(module, "pauses", (0.01, 0.02))
    authority = Authority(keys)
    context = authority.server_context()
    monkeypatch.setenv("GIT_SSL_CAINFO", str(authority.file))
    with https_server(srv, keys, token=_TOKEN) as address, faulty_proxy(address, context=context) as proxy:
        yield SimpleNamespace(
            proxy=proxy, authority=authority, context=context, bare=srv / "team" / "deposit.git",
            commit=git(tmp_path / "work", "rev-parse", "HEAD"),
        )  # fmt: skip


@pytest.fixture
def get(host: Any, tmp_path: Path) -> Callable[[], Checkout]:
    """Fetches the repository."""
    address, folders = parse_repository(f"{host.proxy.url}/ada/trees.git"), (tmp_path / f"clone-{n}" for n in range(9))
    return lambda: fetch(address, None, next(folders), token=_TOKEN)


@pytest.fixture
def put(host: Any, tmp_path: Path) -> Callable[[], Deposited]:
    """Deposits a package."""
    source = {"address": "https://a.example.org/ada/trees.git", "owner": "ada", "name": "trees"}
    about = {"repository": source, "checkout": "main", "documents": ["package.json"]}
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "package.json").write_text(json.dumps(about))
    destination = parse_destination(f"{host.proxy.url}/team/deposit.git")
    return lambda: deposit(tmp_path / "package", ["package.json"], destination, path="a/b/c", message="m", token=_TOKEN)


_FAULTS = [
    pytest.param({"status": 500}, id="fails"),
    pytest.param({"status": 503, "retry_after": "1"}, id="overloaded"),
    pytest.param({"status": 429, "retry_after": "1"}, id="limits"),
    pytest.param({"closed": True}, id="ends the connection"),
    pytest.param({"half": True}, id="sends half an answer"),
]


@pytest.mark.parametrize("fault", _FAULTS)
def test_a_fetch_outlasts_a_failure_of_each_request(host: Any, get: Callable[[], Checkout], fault: Any) -> None:
    host.proxy.faults = [Fault(path=_REFS, **fault), Fault(path=f"/{_PACK}", method="POST", **fault)]

    checkout = get()

    assert checkout.commit == host.commit
    assert (checkout.folder / "process.ipynb").is_file()
    assert host.proxy.faults == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"status": 502}, "the server fails or ends the connection, also when asked again; try again later"),
        ({"status": 429}, "the server limits requests, also when asked again; try again later"),
        ({"closed": True}, "the server fails or ends the connection, also when asked again; try again later"),
    ],
)
def test_a_host_that_keeps_failing_is_one_error(
    host: Any, get: Callable[[], Checkout], fault: Any, message: str
) -> None:
    host.proxy.faults = [Fault(path=_REFS, **fault)] * 9

    with pytest.raises(RepositoryError, match=message) as failed:
        get()

    assert failed.value.exit_code == 10
    assert _TOKEN not in str(failed.value)
    assert len(host.proxy.asked) <= 6  # each of the addresses with and without .git, three times at most


def test_a_refusal_is_not_repeated(host: Any, tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="PACKMILL_GIT_TOKEN"):
        fetch(parse_repository(f"{host.proxy.url}/ada/trees.git"), None, tmp_path / "clone", token="another")

    assert len([path for _, path in host.proxy.asked if _REFS in path]) <= 2


def test_a_silent_host_ends_a_fetch(host: Any, get: Callable[[], Checkout], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_environment, "_SILENCE", 1)
    monkeypatch.setattr(temporary_failures, "pauses", ())
    host.proxy.faults = [Fault(path=_REFS, silent=True)]

    with pytest.raises(RepositoryError, match="try again later"):
        get()


def test_a_certificate_that_expires_between_two_requests_ends_a_fetch(host: Any, get: Callable[[], Checkout]) -> None:
    assert get().commit == host.commit
    host.context.load_cert_chain(host.authority.issue(days=-1))

    with pytest.raises(
        RepositoryError, match=r"its certificate is not trusted or has expired; .* check this machine's clock"
    ):
        get()


@pytest.mark.parametrize("fault", [*_FAULTS, pytest.param({"lost": True}, id="loses its answer")])
def test_a_deposit_outlasts_a_failure_and_is_one_commit(host: Any, put: Callable[[], Deposited], fault: Any) -> None:
    host.proxy.faults = [Fault(path=f"/{_PUSH}", method="POST", **fault)]

    done = put()

    assert host.proxy.faults == []
    assert done == Deposited(commit=git(host.bare, "rev-parse", "main"), changed=True)
    assert git(host.bare, "rev-list", "--count", "main") == "1"


def test_a_deposit_that_keeps_failing_is_one_error_and_leaves_nothing(host: Any, put: Callable[[], Deposited]) -> None:
    host.proxy.faults = [Fault(path=f"/{_PUSH}", method="POST", status=503)] * 9

    with pytest.raises(PublishError, match="also when asked again; try again later") as failed:
        put()

    assert failed.value.exit_code == 18
    assert _TOKEN not in str(failed.value)
    assert len([path for method, path in host.proxy.asked if method == "POST" and _PUSH in path]) == 3
    assert git(host.bare, "for-each-ref") == ""
