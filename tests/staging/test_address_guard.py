"""The guard against private addresses, and the verification of certificates."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from staging_servers import S3, HttpServer, Runner

from generator.staging.network.guard import ForbiddenAddressError, Guard


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "nonsense",
        # IPv6 that embeds private IPv4, in each of its forms
        "::FFFF:10.0.0.1",
        "0:0:0:0:0:ffff:0a00:0001",
        "::10.0.0.1",
        "::0.0.0.5",
        "::ffff:0:10.0.0.1",
        "::ffff:0:7f00:1%eth0",
        "64:ff9b::10.0.0.1",
        "2002:a00:1::",
        "2001:0:808:808::f5ff:fffe",
        "2606:4700::5efe:10.0.0.1",
        "2606:4700::200:5efe:10.0.0.1",
        "fe80::5efe:8.8.8.8",
        "fd00::5efe:8.8.8.8",
        "64:ff9b:1::10.0.0.1",
        "64:ff9b:1:a00:0:100::",
        "64:ff9b:1:ff0a:0:1::",
        "64:ff9b:1:ffff:a:0:100:0",
        "fec0::1",
        "100::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "ff02::1",
        # spellings that programs read in different ways
        "0177.0.0.1",
        "127.1",
        "2130706433",
        "[::1]",
        "::ffff:0x7f.0.0.1",
        "127.0.0.1%25",
        "",
    ],
)
def test_what_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        Guard().check(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "2606:4700::1111",
        "64:ff9b::808:808",
        "::ffff:8.8.8.8",
        "::ffff:0:8.8.8.8",
        "2002:808:808::1",
        "2606:4700::5efe:8.8.8.8",
        "2001:4860:4860::8888",
    ],
)
def test_what_is_public_is_not(address: str) -> None:
    Guard().check(address)


def test_networks_of_ones_own_may_be_allowed() -> None:
    guard = Guard(["10.0.0.0/8", "192.168.1.7", "localhost"])

    for address in ("10.9.9.9", "192.168.1.7", "127.0.0.1", "::ffff:10.0.0.1"):
        guard.check(address)
    with pytest.raises(ForbiddenAddressError):
        guard.check("192.168.1.8")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/a",
        "http://localhost:{port}/a",
        "http://2130706433:{port}/a",
        "http://0x7f.1:{port}/a",
        "http://[::ffff:127.0.0.1]:{port}/a",
        "ftp://127.0.0.1:{port}/a",
        "sftp://127.0.0.1:{port}/a",
        "file:///etc/passwd",
        "/etc/passwd",
    ],
)
def test_no_spelling_reaches_this_machine(web: HttpServer, runner: Runner, url: str) -> None:
    web.put("/a", b"inner")

    result = runner("stage-in", url.format(port=web.server_address[1]), "--guard", "--attempts", "1")

    assert result.code in (2, 12)
    assert "not allowed here" in result.err, result.err
    assert not web.asked


def test_a_record_may_not_name_an_inner_s3(s3: S3, web: HttpServer, step: Runner) -> None:
    record = {"s3_url": "s3://data/a.tif", **s3.record, "endpoint_url": web.url}

    result = step("stage-in", {"input_path": record}, "--guard")

    assert (result.code, "not allowed here" in result.err) == (12, True), result.err
    assert not web.asked


def test_it_is_switched_on_by_the_environment_and_lets_allowed_hosts_through(web: HttpServer, runner: Runner) -> None:
    url = web.put("/a", b"inner")

    refused = runner("stage-in", url, PACKMILL_STAGE_GUARD="1")
    allowed = runner("stage-in", url, PACKMILL_STAGE_GUARD="1", PACKMILL_STAGE_ALLOW="127.0.0.0/8")

    assert (refused.code, allowed.code) == (12, 0)


def test_a_redirect_inwards_is_refused(web: HttpServer, runner: Runner) -> None:
    """The first host is allowed, where it leads to is not."""
    url = web.put("/from", redirect=web.url.replace("127.0.0.1", "127.0.0.2") + "/a")

    result = runner("stage-in", url, "--guard", "--allow", "127.0.0.1")

    assert (result.code, "127.0.0.2 is a private address" in result.err) == (12, True)


def test_what_to_allow_must_be_something(runner: Runner) -> None:
    result = runner("stage-in", "http://x", "--guard", "--allow", "10.0.0.0/99")

    assert (result.code, "neither a network such as 10.0.0.0/8 nor a known host" in result.err) == (2, True)


@pytest.fixture
def https(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An https server with a company's certificate; its URL and that certificate."""
    key, certificate = tmp_path / "key.pem", tmp_path / "company.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "a.txt").write_text("a")

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path / "www"), **options)  # type: ignore[arg-type]

        def log_message(self, *_arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path == "/plain":
                self.send_response(302)
                self.send_header("Location", "http://localhost:1/a.txt")
                self.end_headers()
                return
            super().do_GET()

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_arguments: object) -> None:
            """A client that does not believe the certificate goes away."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_address[1]}", certificate
    server.shutdown()
    server.server_close()


def test_a_certificate_that_no_one_vouches_for_is_refused(https: tuple[str, Path], runner: Runner) -> None:
    url, _ = https

    result = runner("stage-in", f"{url}/a.txt")

    assert result.code == 12
    assert "certificate verification failed (self" in result.err
    assert "--ca-bundle" in result.err


def test_a_company_may_vouch_for_its_own(https: tuple[str, Path], runner: Runner, tmp_path: Path) -> None:
    url, certificate = https
    config = tmp_path / "config"
    config.mkdir()
    (config / "ca.pem").write_bytes(certificate.read_bytes())

    assert runner("stage-in", f"{url}/a.txt", "--ca-bundle", certificate).content("0_a.txt") == b"a"
    assert runner("stage-in", f"{url}/a.txt", "--config", config, "--output", "b").code == 0
    assert runner("stage-in", f"{url}/a.txt", "--output", "c", SSL_CERT_FILE=str(certificate)).code == 0


def test_a_redirect_does_not_leave_tls(https: tuple[str, Path], runner: Runner) -> None:
    url, certificate = https

    result = runner("stage-in", f"{url}/plain", "--ca-bundle", certificate)

    assert (result.code, "redirects from https to http://localhost:1/a.txt: not followed" in result.err) == (12, True)


def test_s3_verifies_too(https: tuple[str, Path], step: Runner) -> None:
    url, _ = https
    record = {"s3_url": "s3://data/a", "endpoint_url": url, "aws_access_key_id": "a", "aws_secret_access_key": "b"}

    result = step("stage-in", {"input_path": record})

    assert (result.code, "certificate verification failed" in result.err) == (12, True), result.err


def test_a_bearer_token_stays_with_its_host(web: HttpServer, step: Runner) -> None:
    other = web.url.replace("127.0.0.1", "localhost")
    web.put("/there", b"x")
    url = web.put("/from", redirect=f"{other}/there")

    assert step("stage-in", {"input_path": {"url": url, "token": "t0ken"}}).code == 0

    assert [one.headers.get("authorization") for one in web.asked] == ["Bearer t0ken", None]
