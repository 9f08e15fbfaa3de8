"""Which files describe the environment, and environments that are asked for instead."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from generator.environment import BuildPack, configuration_name, find_environment
from generator.errors import EnvironmentSpecError
from generator.tools.environment_file import place


@pytest.mark.parametrize(
    ("files", "used", "buildpack"),
    [
        ([], (), BuildPack.PLAIN_PYTHON),
        (["requirements.txt", "apt.txt"], ("requirements.txt", "apt.txt"), BuildPack.PLAIN_PYTHON),
        (["requirements.txt", "environment.yml"], ("environment.yml", "requirements.txt"), BuildPack.REPO2DOCKER),
        (["runtime.txt"], ("runtime.txt",), BuildPack.REPO2DOCKER),
        (["install.R"], ("install.R",), BuildPack.REPO2DOCKER),
        (["Dockerfile", "requirements.txt"], ("Dockerfile", "requirements.txt"), BuildPack.DOCKERFILE),
        (
            ["binder/requirements.txt", "Dockerfile", "pyproject.toml"],
            ("binder/requirements.txt",),
            BuildPack.PLAIN_PYTHON,
        ),
        ([".binder/Dockerfile", "requirements.txt"], (".binder/Dockerfile",), BuildPack.DOCKERFILE),
        (["binder/", "requirements.txt"], (), BuildPack.PLAIN_PYTHON),
    ],
)
def test_the_environment_is_found_as_repo2docker_finds_it(
    files: list[str], used: tuple[str, ...], buildpack: BuildPack
) -> None:
    environment = find_environment(files)

    assert (environment.files, environment.buildpack) == (used, buildpack)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Dockerfile", "Dockerfile"),
        ("docker/Dockerfile.gpu", "Dockerfile"),
        ("prod.Dockerfile", "Dockerfile"),
        ("envs/environment-prod.yml", "environment.yml"),
        ("conda.yaml", "environment.yml"),
        ("requirements-dev.txt", "requirements.txt"),
        ("https://example.org/x/-/raw/main/docker/Dockerfile", "Dockerfile"),
    ],
)
def test_a_file_under_another_name_is_understood(file: str, name: str) -> None:
    assert configuration_name(file) == name


def test_an_environment_that_is_asked_for_is_the_only_one(tmp_path: Path) -> None:
    for name in ("binder/apt.txt", "envs/requirements-dev.txt", "Dockerfile"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)

    key = place("envs/requirements-dev.txt", tmp_path)

    assert [str(path.relative_to(tmp_path)) for path in tmp_path.glob(".binder/*")] == [".binder/requirements.txt"]
    assert not (tmp_path / "binder").exists()
    assert key.startswith("requirements.txt ")


_ANSWERS = {
    "/Dockerfile": (200, b"FROM scratch\n", {}),
    "/page/Dockerfile": (200, b"<!DOCTYPE html><html></html>", {}),
    "/large/Dockerfile": (200, b"#" * (1024**2 + 10), {}),
    "/moved/Dockerfile": (302, b"", {"Location": "/Dockerfile"}),
    "/down/Dockerfile": (302, b"", {"Location": "http://127.0.0.1:9/Dockerfile"}),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An https server with some environments; its certificate is trusted by REQUESTS_CA_BUNDLE."""
    folder = tmp_path_factory.mktemp("https")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    make = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names)
    subprocess.run([*make, "-keyout", folder / "key", "-out", folder / "certificate"], check=True, capture_output=True)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = _ANSWERS.get(self.path.partition("?")[0], (404, b"", {}))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(folder / "certificate"))
        yield f"https://localhost:{httpd.server_address[1]}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.mark.parametrize("path", ["/Dockerfile", "/moved/Dockerfile", "/Dockerfile?ref=main"])
def test_an_environment_comes_from_an_https_url(path: str, server: str, tmp_path: Path) -> None:
    place(server + path, tmp_path)

    assert (tmp_path / ".binder/Dockerfile").read_text() == "FROM scratch\n"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/gone/Dockerfile", "404"),
        ("/page/Dockerfile", "use the address of the raw file"),
        ("/large/Dockerfile", "larger than 1 MiB"),
        ("/down/Dockerfile", "cannot be fetched|redirects to an address without https"),
        ("/setup.cfg", "not a configuration file of repo2docker"),
    ],
)
def test_what_is_no_environment_is_refused(path: str, said: str, server: str, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentSpecError, match=said):
        place(server + path, tmp_path)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"environment.yml": "dependencies: [numpy]\n"}, ["environment.yml", "mamba", "FROM base/image:x"]),
        ({"requirements.txt": "numpy\n", "apt.txt": "jq\n"}, ["uv pip install", "--no-install-recommends jq"]),
        ({"Dockerfile": "FROM scratch\n# mine\n", "environment.yml": ""}, ["# mine"]),
    ],
    ids=["conda", "plain Python", "Dockerfile"],
)
def test_repo2docker_would_build(
    files: dict[str, str], expected: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Dockerfile of every kind of environment, also of those whose packages this machine may not reach."""
    from generator.tools.engine import repo2docker_app

    for name, text in files.items():
        (tmp_path / name).write_text(text)
    app = repo2docker_app(tmp_path, image="x:y", base_image="base/image:x")
    app.dry_run = True
    app.initialize()
    app.build()

    dockerfile = capsys.readouterr().out
    assert all(part in dockerfile for part in expected), dockerfile
