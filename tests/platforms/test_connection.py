"""Requests to a platform: who gets the token, redirects, new attempts, and hostile responses."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from platform_server import Platform, platform_server
from ports import free_port

from generator.network.address_policy import any_platform
from generator.platforms import connection
from generator.platforms.connection import connect
from generator.platforms.platform import parse_platform
from generator.request.credentials import deploy_token
from generator.request.settings import Settings, read_settings
from generator.shared.errors import PublishError, UsageError

_TOKEN = "0pen-s3same"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_PAUSES", (0.0, 0.0))


@pytest.fixture
def platform() -> Iterator[Platform]:
    with platform_server(Platform(token=_TOKEN)) as served:
        yield served


def ask(platform: Platform, token: str = _TOKEN, path: str = "/conformance") -> connection.Answer:
    with connect(parse_platform(platform.address), token=token, policy=any_platform) as opened:
        return opened.get(platform.address + path)


def test_the_token_is_a_bearer_token(platform: Platform) -> None:
    assert ask(platform).status == 200
    assert ask(platform, token="").status == 401


def test_netrc_does_not_replace_the_token(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    assert ask(platform).status == 200


def test_a_redirect_to_another_server_is_refused_and_gets_nothing(platform: Platform) -> None:
    with platform_server(Platform()) as other:
        platform.answers.append((302, {"Location": f"{other.address}/conformance"}, b""))
        with pytest.raises(PublishError, match=r"redirects to .*give the platform's final address"):
            ask(platform)

        assert other.asked == []


def test_a_redirect_within_the_platform_is_followed(platform: Platform) -> None:
    platform.answers.append((301, {"Location": "/ogc-api/conformance"}, b""))

    assert ask(platform, path="/here").status == 200


@pytest.mark.parametrize(("status", "followed"), [(301, False), (302, False), (303, False), (307, True), (308, True)])
def test_a_document_follows_only_redirects_that_keep_its_method(
    status: int, followed: bool, platform: Platform
) -> None:
    platform.answers += [(status, {"Location": "/ogc-api/there"}, b""), (201, {}, b"")]
    with connect(parse_platform(platform.address), token=_TOKEN, policy=any_platform) as opened:
        if followed:
            opened.send("POST", f"{platform.address}/processes", "{}", "application/json")
            assert platform.asked[-1].body == b"{}"
        else:
            with pytest.raises(PublishError, match="redirects"):
                opened.send("POST", f"{platform.address}/processes", "{}", "application/json")


def test_endless_redirects_end(platform: Platform) -> None:
    platform.answers += [(302, {"Location": "/ogc-api/conformance"}, b"")] * 9

    with pytest.raises(PublishError, match="too often"):
        ask(platform)


def test_a_busy_platform_is_asked_again(platform: Platform) -> None:
    platform.answers += [(503, {}, b""), (429, {}, b"")]

    assert ask(platform).status == 200
    assert len(platform.asked) == 3


def test_a_platform_decides_how_long_to_wait_up_to_a_minute(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(connection.time, "sleep", waits.append)
    platform.answers += [(429, {"Retry-After": "7"}, b""), (503, {"Retry-After": "3600"}, b"")]

    assert ask(platform).status == 503
    assert waits == [7.0]


def test_a_platform_that_stays_busy_is_quoted(platform: Platform) -> None:
    platform.answers += [(503, {}, b'{"title": "maintenance"}')] * 3

    assert (ask(platform).status, len(platform.asked)) == (503, 3)


def test_a_platform_that_does_not_answer_is_named() -> None:
    address = f"http://127.0.0.1:{free_port()}"

    with (
        connect(parse_platform(address), token="", policy=any_platform) as opened,
        pytest.raises(PublishError, match=rf"{address}: no response from the platform: .*refused"),
    ):
        opened.get(address)


def test_a_slow_response_ends(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_READ", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            connect(parse_platform(address), token="", policy=any_platform) as opened,
            pytest.raises(PublishError, match="no response within"),
        ):
            opened.get(address)


def test_a_long_response_is_cut_off(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_LARGEST", 1000)
    platform.answers.append((200, {}, b"x" * 200_000))

    assert len(ask(platform).content) == 1000


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b'{"title": "Bad\\nrequest", "detail": "a \\u001b[31mred word"}', ": Bad request: a [31mred word"),
        (b'{"message": "token 0pen-s3same is old"}', ": token *** is old"),
        (b'{"detail": "see https://ada:secret@example.org/x?key=1"}', ": see https://example.org/x?"),
        (b'{"detail": [{"loc": ["body", "inputs", 0], "msg": "no object"}, {"x": 1}]}', ": body/inputs/0: no object"),
        (b"[" * 100_000, f": {'[' * 600}"),
        (b"<html>long page</html>", ""),
        (b"plain words", ": plain words"),
        (b'{"title": 5, "detail": ["x"]}', ""),
        (b"[1, 2]", ": [1, 2]"),
    ],
)
def test_a_refusal_has_the_platform_s_words_and_no_secret(content: bytes, shown: str, platform: Platform) -> None:
    platform.answers.append((400, {}, content))
    with connect(parse_platform(platform.address), token=_TOKEN, policy=any_platform) as opened:
        error = opened.refusal("here", opened.get(platform.address))

    assert str(error) == f"here: status 400{shown}"


def test_a_refused_token_names_the_variable(platform: Platform) -> None:
    with connect(parse_platform(platform.address), token="", policy=any_platform) as opened:
        error = str(opened.refusal("here", opened.get(platform.address)))

    assert "set PACKMILL_DEPLOY_TOKEN" in error
    assert parse_platform(platform.address).host in error


def test_a_token_is_not_sent_without_encryption() -> None:
    platform = parse_platform("http://platform.example.org/ogc-api")
    with pytest.raises(PublishError, match="not encrypted"), connect(platform, token=_TOKEN, policy=any_platform):
        pass


def test_only_listed_platforms_and_public_addresses_are_reached(platform: Platform) -> None:
    here = parse_platform(platform.address)
    for policy, message in (
        (replace(any_platform, listed=("platform.example.org",)), "PACKMILL_PLATFORMS"),
        (replace(any_platform, guarded=True), "private address"),
    ):
        with pytest.raises(PublishError, match=message), connect(here, token="", policy=policy):
            pass
    listed = replace(any_platform, listed=(here.host,), guarded=True)
    with connect(here, token=_TOKEN, policy=listed) as opened:
        assert opened.get(f"{platform.address}/conformance").status == 200


def test_a_platform_whose_name_changes_its_address_after_the_check_gets_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name server may answer with a public address first and a private one for the connection."""
    real, answers = socket.getaddrinfo, iter(["8.8.8.8"])

    def changing(host: str, *rest: object, **options: object) -> object:
        changed = next(answers, "127.0.0.1") if host == "localhost" else host
        return real(changed, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    with socket.create_server(("127.0.0.1", 0)) as private:
        private.setblocking(False)
        here = parse_platform(f"https://localhost:{private.getsockname()[1]}/ogc-api")
        with (
            connect(here, token=_TOKEN, policy=replace(any_platform, guarded=True)) as opened,
            pytest.raises(PublishError, match=r"localhost has the private address 127\.0\.0\.1"),
        ):
            opened.get(f"{here.address}/conformance")

        with pytest.raises(BlockingIOError):
            private.accept()


def test_a_token_goes_to_its_host_alone() -> None:
    ours, theirs = parse_platform("https://ours.example.org"), parse_platform("https://theirs.example.org")
    bound = Settings(deploy_token=_TOKEN, deploy_host="ours.example.org")
    assert (deploy_token(ours, bound), deploy_token(theirs, bound)) == (_TOKEN, "")

    free = Settings(deploy_token=_TOKEN)
    assert deploy_token(theirs, free) == _TOKEN
    guarded = replace(free, platforms=replace(any_platform, guarded=True))
    assert deploy_token(theirs, guarded) == ""
    assert deploy_token(ours, replace(guarded, deploy_host="ours.example.org")) == _TOKEN


def test_a_token_that_cannot_be_a_header_is_refused_without_being_shown() -> None:
    assert read_settings({"PACKMILL_DEPLOY_TOKEN": f" {_TOKEN}\n"}).deploy_token == _TOKEN
    with pytest.raises(UsageError, match="PACKMILL_DEPLOY_TOKEN") as refused:
        read_settings({"PACKMILL_DEPLOY_TOKEN": f"{_TOKEN}\nX-Other: 1"})
    assert _TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://p.example.org/ogc-api/", "https://p.example.org/ogc-api"),
        ("https://p.example.org/ogc-api/processes/", "https://p.example.org/ogc-api"),
        (" http://127.0.0.1:8080 ", "http://127.0.0.1:8080"),
    ],
)
def test_the_address_of_a_platform(text: str, address: str) -> None:
    assert parse_platform(text).address == address


@pytest.mark.parametrize(
    "text",
    [
        "p.example.org",
        "ftp://p.example.org",
        "file:///etc",
        "git@p.example.org:a",
        "https://",
        "https://p.example.org:x/a",
        "https://p.example.org/a?key=1",
        "https://p.example.org/a#b",
        "https://p.example.org\\@evil.example.org",
        "https://p.example.org/\nb",
        "https://ada:0pen-s3same@p.example.org/a",
        "--upload-pack=x",
    ],
)
def test_what_cannot_be_a_platform_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="platform") as refused:
        parse_platform(text)
    assert "0pen-s3same" not in str(refused.value)
