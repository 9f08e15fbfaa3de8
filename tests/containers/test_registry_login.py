"""A registry that requires a password when none is known: one request, and an error that names the settings."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from generator.containers.package_artifact import package_tag, push_package
from generator.containers.registry_images import find_holder, look_up
from generator.containers.registry_session import Login
from generator.shared.errors import PublishError


@dataclass
class Registry:
    host: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    """Start a registry with basic authentication, to which the account has no login."""
    monkeypatch.setenv("HOME", str(tmp_path))
    known = Registry()

    class Private(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append(self.path)
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="registry"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Private) as server:
        known.host = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield known
        server.shutdown()
        thread.join()


def test_an_image_is_requested_once(registry: Registry) -> None:
    assert look_up(f"{registry.host}/ada.trees:main", login=None) is None

    assert registry.asked == ["/v2/", "/v2/ada.trees/manifests/main"]


def test_a_name_is_not_free_because_the_registry_requires_a_login(registry: Registry) -> None:
    refused = Login(user="ada", password="wrong")
    for login, reason in ((None, "requires a login"), (refused, "answers 401 Unauthorized")):
        with pytest.raises(PublishError, match=rf"another one may have its name: the registry {reason}"):
            find_holder(f"{registry.host}/ada.trees:main", login=login)


def test_a_package_is_not_pushed_without_a_login(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "process.cwl").write_text("{}")
    image = f"{registry.host}/ada.trees@sha256:{'0' * 64}"

    with pytest.raises(PublishError, match="PACKMILL_REGISTRY_USER"):
        push_package(tmp_path, ["process.cwl"], image, login=None)

    assert registry.asked == ["/v2/"]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("", ""),
        ("notebooks-trees", ".notebooks-trees"),
        ("my notes [v1]", ".my-notes--v1--755a71fc"),
        ("my-notes--v1-", ".my-notes--v1-"),
        ("a" * 200, f".{'a' * 30}-c2a908d9"),
    ],
)
def test_each_process_has_a_tag_of_its_own(name: str, suffix: str) -> None:
    tag = package_tag(f"sha256:{'0' * 64}", name)

    assert tag == f"sha256-{'0' * 64}.package{suffix}"
    assert re.fullmatch(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", tag)
