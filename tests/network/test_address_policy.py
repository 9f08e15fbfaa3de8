"""Which addresses a request may name: the operator's lists, and public addresses where others reach the service."""

from __future__ import annotations

import base64
import json
import os
import resource
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from git_servers import https_server
from support import commit_all, git, write_notebook

from generator.build.address_checks import check_registry_address
from generator.containers.registry import pull
from generator.containers.registry_images import look_up
from generator.containers.registry_session import anonymous
from generator.environment.requested import place
from generator.network.address_policy import Access, any_repository, may_use_credentials
from generator.network.addresses import PrivateAddressError, check, resolve_checked
from generator.network.guarded_proxy import guarded_proxy
from generator.repository.address import parse_repository
from generator.repository.connection import check_repository
from generator.repository.fetch import fetch
from generator.request.settings import Settings, read_settings
from generator.shared.errors import EnvironmentSpecError, PublishError, RepositoryError, UsageError

_TOKEN = "0pen-s3same"


@pytest.mark.parametrize(
    ("entry", "address", "covered"),
    [
        ("git.example.org", "https://git.example.org/a/b.git", True),
        ("git.example.org", "https://GIT.example.org.:8443/a/b.git", True),
        ("git.example.org", "ssh://git@git.example.org:2222/a/b", True),
        ("git.example.org", "git@git.example.org:a/b.git", True),
        ("git.example.org", "https://git.example.org.evil.net/a/b", False),
        ("git.example.org", "https://evil.net/git.example.org/a", False),
        ("git.example.org/a", "git@git.example.org:a/b.git", True),
        ("git.example.org/a", "https://git.example.org/ab/c", False),
        ("git.example.org/a", "https://git.example.org/a/../eve/c", False),
        ("git.example.org/a", "https://git.example.org/a/%2e%2e/eve/c", False),
        ("git.example.org/a", "https://git.example.org//a/c", True),
        ("git.example.org/a", "https://git.example.org/a//../eve", False),
        ("git.example.org/a/b", "https://git.example.org/a/b.git", True),
        ("https://git.example.org/a", "https://git.example.org:443/a/b", True),
        ("https://git.example.org/a", "https://git.example.org:8443/a/b", False),
        ("https://git.example.org/a", "ssh://git.example.org/a/b", False),
        ("git.example.org:8443", "https://git.example.org:8443/a/b", True),
        ("git.example.org:8443", "https://git.example.org/a/b", False),
        ("git.example.org:8443", "git.example.org:8443/a/b", False),
        ("git.example.org/a", "git@git.example.org:22/a/b", False),
        ("git.example.org/22/a", "git@git.example.org:22/a/b", True),
        ("git.example.org/a", "https://git.example.org/a/%252e%252e/eve", False),
        ("git.example.org", "https://evil.net\\@git.example.org/a", False),
        ("git.example.org", "https://git.example\t.org/a", False),
        ("[fd00::1]:8443", "https://[fd00::1]:8443/a/b", True),
        ("public", "https://public/a/b", False),
    ],
)
def test_an_entry_covers_what_is_below_it(entry: str, address: str, covered: bool) -> None:
    assert replace(any_repository, listed=(entry,)).names(address) is covered


@pytest.mark.parametrize("entry", ["https://", "/path/only", "host/a/../b", "https://host:port/x"])
def test_an_entry_that_covers_nothing_is_refused(entry: str) -> None:
    for variable in ("PACKMILL_REPOSITORIES", "PACKMILL_SUBMODULES"):
        with pytest.raises(UsageError, match=f"{variable}.*write it as"):
            read_settings({variable: f"good.example.org {entry}"})


@pytest.mark.parametrize(
    ("environment", "address", "expected"),
    [
        ({}, "https://127.0.0.1/a/b", Access.FULL),
        ({"PACKMILL_LOCAL_REPOSITORIES": "no"}, "https://127.0.0.1/a/b", None),
        ({"PACKMILL_LOCAL_REPOSITORIES": "no"}, "https://8.8.8.8/a/b", Access.PUBLIC),
        ({"PACKMILL_STAGE_GUARD": "1"}, "https://[::ffff:10.0.0.1]/a/b", None),
        ({"PACKMILL_STAGE_GUARD": "1", "PACKMILL_STAGE_ALLOW": "10.0.0.0/8"}, "https://10.1.2.3/a/b", Access.PUBLIC),
        ({"PACKMILL_STAGE_GUARD": "1"}, "https://2130706433/a/b", None),
        ({"PACKMILL_STAGE_GUARD": "1", "PACKMILL_REPOSITORIES": "10.1.2.3"}, "https://10.1.2.3/a/b", Access.FULL),
        ({"PACKMILL_STAGE_GUARD": "1", "PACKMILL_REPOSITORIES": "10.1.2.3"}, "https://8.8.8.8/a/b", None),
        ({"PACKMILL_REPOSITORIES": "10.1.2.3"}, "https://8.8.8.8/a/b", None),
        ({"PACKMILL_REPOSITORIES": "10.1.2.3 public"}, "https://8.8.8.8/a/b", Access.PUBLIC),
        ({"PACKMILL_REPOSITORIES": "10.1.2.3 public"}, "https://10.1.2.4/a/b", None),
    ],
)
def test_lists_and_the_guard_decide_what_is_reached(
    environment: dict[str, str], address: str, expected: Access | None
) -> None:
    policy = read_settings(environment).repositories
    if expected is None:
        with pytest.raises(RepositoryError, match="PACKMILL_REPOSITORIES"):
            check(policy, address)
    else:
        assert check(policy, address) is expected


def test_a_path_that_begins_with_a_number_is_no_port() -> None:
    policy = read_settings({"PACKMILL_LOCAL_REPOSITORIES": "no"}).repositories

    with pytest.raises(RepositoryError, match="ssh uses a key of the operator's account"):
        check_repository(policy, parse_repository("git@8.8.8.8:22/b"))


def test_another_service_on_the_host_is_not_the_same_server() -> None:
    for words in (("owner",), ("host",)):
        assert may_use_credentials("https://h.org/ada/x", "git@h.org:ada/trees", words)
        assert not may_use_credentials("https://h.org:8443/ada/x", "git@h.org:ada/trees", words)


def test_repositories_without_an_owner_have_none_in_common() -> None:
    assert not may_use_credentials("https://h.org/x", "https://h.org/trees", ("owner",))
    assert may_use_credentials("https://h.org/x", "https://h.org/trees", ("host",))


@pytest.mark.parametrize(
    ("submodule", "owner", "host"),
    [
        ("https://h.org/ada/x.git", True, True),
        ("git@h.org:ada/x.git", True, True),
        ("https://h.org/eve/x.git", False, True),
        ("https://h.org/ada/sub/x.git", False, True),
        ("https://h.org/eve/../ada/x.git", False, True),
        ("https://h.org/ada/../x.git", False, True),
        ("https://h.org:8443/ada/x.git", False, False),
        ("ssh://git@h.org:2222/ada/x.git", True, True),
        ("https://i.org/ada/x.git", False, False),
    ],
)
def test_an_owner_is_the_whole_path_above_a_name(submodule: str, owner: bool, host: bool) -> None:
    top = "https://h.org/ada/trees.git"

    assert may_use_credentials(submodule, top, ("owner",)) is owner
    assert may_use_credentials(submodule, top, ("host",)) is host
    assert not may_use_credentials(submodule, top, ())


@pytest.mark.parametrize(
    ("variables", "code", "words"),
    [
        ({"repository": "https://127.0.0.1:9/a/b"}, 10, "PACKMILL_REPOSITORIES"),
        ({"repository": "git@8.8.8.8:a/b"}, 10, "ssh uses a key of the operator's account"),
        ({"repository": "https://8.8.8.8/a/b", "registry": "127.0.0.1:9/x"}, 18, "PACKMILL_REGISTRIES"),
        ({"repository": "https://8.8.8.8/a/b", "destination": "https://10.0.0.1/a/b"}, 18, "PACKMILL_DESTINATIONS"),
    ],
)
def test_a_pipeline_s_addresses_are_refused_before_anything_is_done(
    variables: dict[str, str], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from generator.ci.stages import main
    from generator.shared.errors import PackmillError

    monkeypatch.chdir(tmp_path)  # the stage writes a report
    with pytest.raises(PackmillError, match=words) as refusal:
        main("build", {**variables, "PACKMILL_LOCAL_REPOSITORIES": "no"})

    assert refusal.value.exit_code == code


@pytest.fixture
def served(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dict[str, str]]]:
    """A git server on localhost with a public ``ada/trees.git``; its address, and its redirects."""
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository)
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(tmp_path / "srv/ada/trees.git"))
    redirects: dict[str, str] = {}
    with https_server(tmp_path / "srv", tmp_path, token=_TOKEN, redirects=redirects, public={"ada/trees.git"}) as url:
        monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "certificate.pem"))
        yield url, redirects


def test_git_reaches_checked_addresses_alone(served: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    """Whatever NO_PROXY and the name server say later, and where redirects lead to."""
    address, redirects = served
    guarded = replace(any_repository, guarded=True)
    allowed = replace(guarded, reachable=("::1", "127.0.0.1"))
    redirects["/ada/moved.git"] = address.replace("localhost", "127.0.0.2") + "/ada/trees.git"

    checkout = fetch(parse_repository(f"{address}/ada/trees.git"), None, tmp_path / "a", policy=allowed)
    with pytest.raises(RepositoryError, match=r"localhost has the private address .*PACKMILL_REPOSITORIES"):
        fetch(parse_repository(f"{address}/ada/trees.git"), None, tmp_path / "b", policy=guarded)
    with pytest.raises(RepositoryError, match=r"127.0.0.2 has the private address .*PACKMILL_REPOSITORIES"):
        fetch(parse_repository(f"{address}/ada/moved.git"), None, tmp_path / "c", policy=allowed)

    assert (checkout.folder / "process.ipynb").exists()


def test_no_proxy_does_not_lead_around_the_guard(
    served: tuple[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, redirects = served
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    redirects["/ada/moved.git"] = address.replace("localhost", "127.0.0.2") + "/ada/trees.git"
    policy = replace(any_repository, guarded=True, reachable=("::1", "127.0.0.1"))

    with pytest.raises(RepositoryError, match=r"127.0.0.2 has the private address"):
        fetch(parse_repository(f"{address}/ada/moved.git"), None, tmp_path / "c", policy=policy)


def test_a_name_that_changes_its_address_after_the_check_is_refused(
    served: tuple[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server may answer with a public address first and a private one when git connects."""
    address, _ = served
    port = int(address.rpartition(":")[2])
    real, answers = socket.getaddrinfo, iter(["8.8.8.8"])

    def changing(host: str, *rest: object, **options: object) -> object:
        if host == "localhost":
            return real(next(answers, "127.0.0.1"), *rest, **options)  # type: ignore[arg-type]
        return real(host, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    policy = replace(any_repository, guarded=True)

    with pytest.raises(RepositoryError, match=r"localhost has the private address 127\.0\.0\.1"):
        fetch(parse_repository(f"https://localhost:{port}/ada/trees.git"), None, tmp_path / "a", policy=policy)


def test_a_submodule_is_checked_as_a_repository(
    served: tuple[str, dict[str, str]], repository: Path, tmp_path: Path
) -> None:
    address, _ = served
    inner = git(repository, "rev-parse", "HEAD")
    (repository / ".gitmodules").write_text(
        f'[submodule "x"]\n\tpath = x\n\turl = {address.replace("localhost", "127.0.0.2")}/ada/trees.git\n'
    )
    git(repository, "add", ".gitmodules")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{inner},x")
    git(repository, "commit", "--quiet", "--message", "x")
    git(repository, "push", "--quiet", str(tmp_path / "srv/ada/trees.git"), "main")
    policy = replace(any_repository, guarded=True, reachable=("::1", "127.0.0.1"))

    with pytest.raises(RepositoryError, match=r"127.0.0.2 has the private address .*PACKMILL_REPOSITORIES"):
        fetch(parse_repository(f"{address}/ada/trees.git"), None, tmp_path / "a", policy=policy)
    listed = replace(any_repository, listed=("localhost/ada",))
    with pytest.raises(RepositoryError, match=r"127.0.0.2.*PACKMILL_REPOSITORIES"):
        fetch(parse_repository(f"{address}/ada/trees.git"), None, tmp_path / "b", policy=listed)


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dict[str, str], list[str]]]:
    """An https server on localhost with ``/requirements.txt``; its address, its redirects and the headers it saw."""
    redirects: dict[str, str] = {}
    seen: list[str] = []
    (tmp_path / "srv").mkdir(exist_ok=True)
    with https_server(tmp_path / "srv", tmp_path, token="unused"):
        pass  # for its certificate

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            target = redirects.get(self.path)
            self.send_response(302 if target else 200)
            if target:
                self.send_header("Location", target)
            if self.path.startswith("/undecodable/"):
                self.send_header("Content-Encoding", "gzip")
            length = "60" if self.path.startswith("/cut/") else "6"
            self.send_header("Content-Length", "0" if target else length)
            self.end_headers()
            self.wfile.write(b"" if target else b"numpy\n")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    yield f"https://localhost:{server.server_address[1]}", redirects, seen
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_environment_s_url_and_each_redirect_are_checked(
    web: tuple[str, dict[str, str], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, redirects, seen = web
    (tmp_path / ".netrc").write_text("machine localhost login ada password 0pen\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "*")
    guarded = replace(any_repository, guarded=True)
    allowed = replace(guarded, reachable=("::1", "127.0.0.1"))
    redirects["/once/requirements.txt"] = f"{address}/requirements.txt"
    redirects["/away/requirements.txt"] = f"{address.replace('localhost', '127.0.0.2')}/requirements.txt"
    redirects["/loop/requirements.txt"] = f"{address}/loop/requirements.txt"

    for path in ("requirements.txt", "once/requirements.txt"):
        assert place(f"{address}/{path}", tmp_path, allowed).startswith("requirements.txt ")
    assert set(seen) == {""}, "the operator's .netrc is not for addresses that others name"
    with pytest.raises(EnvironmentSpecError, match=r"localhost has the private address.*PACKMILL_REPOSITORIES"):
        place(f"{address}/requirements.txt", tmp_path, guarded)
    with pytest.raises(EnvironmentSpecError, match=r"127.0.0.2 has the private address.*PACKMILL_REPOSITORIES"):
        place(f"{address}/away/requirements.txt", tmp_path, allowed)
    with pytest.raises(EnvironmentSpecError, match="more than 10 redirects"):
        place(f"{address}/loop/requirements.txt", tmp_path, allowed)
    listed = replace(guarded, listed=(address,))
    assert place(f"{address}/requirements.txt", tmp_path, listed)


@pytest.mark.parametrize("path", ["cut", "undecodable", "away"])
def test_an_environment_s_url_that_does_not_send_it_is_an_error(
    path: str, web: tuple[str, dict[str, str], list[str]], tmp_path: Path
) -> None:
    """A body that ends early or is not what its header names, and a redirect to a host with a label of 64 letters."""
    address, redirects, _ = web
    redirects["/away/requirements.txt"] = f"https://{'a' * 64}.example.org/requirements.txt"

    with pytest.raises(EnvironmentSpecError, match=f"{path}/requirements.txt: the environment cannot be fetched: "):
        place(f"{address}/{path}/requirements.txt", tmp_path)


def test_docker_s_logins_are_for_registries_that_the_operator_lists() -> None:
    guarded = {"PACKMILL_LOCAL_REPOSITORIES": "no"}

    def access(registry: str, **environment: str) -> Access:
        return check_registry_address(registry, read_settings({**guarded, **environment}))

    assert check_registry_address("127.0.0.1:5000/x", Settings()) is Access.FULL
    assert access("8.8.8.8/team") is Access.PUBLIC
    assert access("10.0.0.1:5000/team", PACKMILL_REGISTRIES="10.0.0.1:5000/team") is Access.FULL
    for registry in ("10.0.0.1:5000/team", "[::1]:5000/team"):
        with pytest.raises(PublishError, match="PACKMILL_REGISTRIES"):
            access(registry)
    with pytest.raises(PublishError, match="PACKMILL_REGISTRIES"):
        access("10.0.0.1:5000/other", PACKMILL_REGISTRIES="10.0.0.1:5000/team")


def _answer_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(4)  # or the answer could come together with the proxy's own
        connection.sendall(b"pong")


def test_the_proxy_tunnels_to_allowed_addresses_alone() -> None:
    def ask(line: bytes, *allowed: str) -> bytes:
        with guarded_proxy(allowed) as proxy, socket.create_connection(proxy.server_address[:2], timeout=60) as client:
            client.sendall(line + b"\r\nHost: x\r\n\r\n")
            answer = client.recv(200)
            if b" 200 " in answer:
                client.sendall(b"ping")
                answer = client.recv(200)
            return answer

    with socket.create_server(("127.0.0.1", 0)) as echo:
        port = echo.getsockname()[1]
        threading.Thread(target=_answer_once, args=(echo,), daemon=True).start()
        assert ask(f"CONNECT 127.0.0.1:{port} HTTP/1.1".encode(), "127.0.0.1") == b"pong"
        for line in (
            f"CONNECT 127.0.0.1:{port} HTTP/1.1",
            f"CONNECT localhost:{port} HTTP/1.1",
            f"CONNECT [::ffff:127.0.0.1]:{port} HTTP/1.1",
            f"CONNECT 2130706433:{port} HTTP/1.1",
        ):
            assert ask(line.encode()).startswith(b"HTTP/1.1 403 "), line
        assert ask(f"GET http://127.0.0.1:{port}/ HTTP/1.1".encode(), "127.0.0.1").startswith(b"HTTP/1.1 405 ")


def test_the_proxy_works_in_a_service_with_very_many_connections() -> None:
    """A descriptor above 1023 ended each connection, and with it each event of a hook."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as server:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096) if soft >= 0 else soft, hard))
        others = [os.dup(server.fileno()) for _ in range(1100)]
        stack.callback(lambda: [os.close(one) for one in others])
        proxy = stack.enter_context(guarded_proxy(("127.0.0.1",)))
        client = stack.enter_context(socket.create_connection(proxy.server_address[:2], timeout=60))
        client.sendall(f"CONNECT 127.0.0.1:{server.getsockname()[1]} HTTP/1.1\r\n\r\n".encode())
        answer = client.makefile("rb").readline()
        remote = stack.enter_context(server.accept()[0])
        client.sendall(b"question")
        question = remote.recv(64)
        remote.close()

    assert answer == b"HTTP/1.1 200 Connection established\r\n"
    assert question == b"question"


def test_names_and_spellings_are_judged_by_what_they_resolve_to() -> None:
    assert resolve_checked("8.8.8.8") == ["8.8.8.8"]
    for host in ("localhost", "127.1", "::ffff:10.0.0.1"):
        with pytest.raises(PrivateAddressError):
            resolve_checked(host)
    with pytest.raises(OSError):  # noqa: PT011 - the resolver's own words
        resolve_checked("no.invalid")


@pytest.fixture
def registry_that_wants_a_login() -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """A registry's ``/v2/`` on loopback; its host and port, the Authorization headers it saw, and its challenge."""
    seen: list[str] = []
    challenge = {"WWW-Authenticate": 'Basic realm="registry"'}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            self.send_response(401)
            for name, value in {**challenge, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}", seen, challenge
    server.shutdown()
    server.server_close()
    thread.join()


def test_docker_s_login_is_not_sent_to_a_registry_that_is_not_listed(
    registry_that_wants_a_login: tuple[str, list[str], dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, seen, _ = registry_that_wants_a_login
    login = base64.b64encode(b"ada:0pen").decode()
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": {host: {"auth": login}}}))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ada password 0pen\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(time, "sleep", lambda _: None)  # it repeats what was refused, with pauses
    guarded = replace(anonymous, guarded=True, reachable=("127.0.0.1",))

    assert look_up(f"{host}/x:1", login=guarded) is None
    assert set(seen) == {""}
    assert look_up(f"{host}/x:1", login=None) is None
    assert f"Basic {login}" in seen


def test_a_registry_may_not_send_the_engine_to_a_private_address(
    registry_that_wants_a_login: tuple[str, list[str], dict[str, str]],
) -> None:
    host, _, challenge = registry_that_wants_a_login
    challenge["WWW-Authenticate"] = 'Bearer realm="https://10.0.0.1/token",service="x"'

    with pytest.raises(PublishError, match=r"10\.0\.0\.1 has the private address"):
        pull(f"{host}/x:1", login=replace(anonymous, guarded=True, reachable=("127.0.0.1",)))
