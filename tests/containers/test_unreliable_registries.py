"""A registry that fails, limits requests or breaks connections: what is read and written there."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from faulty_proxy import Fault, FaultyProxy, faulty_proxy
from test_signatures import keys, predicate

from generator.build.publish import _check_registry
from generator.containers import registry_requests
from generator.containers.package_artifact import push_package
from generator.containers.registry import _is_temporary
from generator.containers.registry_images import find_holder, look_up, manifest_type
from generator.containers.registry_session import anonymous
from generator.containers.signatures import sign_image, verify_image
from generator.documents.slsa import predicate_type
from generator.repository.places import Holder
from generator.shared.errors import PublishError, SignatureError

_BLOBS, _MANIFESTS, _UPLOADS = "/blobs/sha256:", "/manifests/", "/blobs/uploads/"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that packmill would wait."""
    found: list[float] = []
    monkeypatch.setattr(registry_requests.time, "sleep", found.append)
    return found


@pytest.fixture
def proxy(registry: str, pauses: list[float]) -> Iterator[FaultyProxy]:
    """The registry behind a proxy that breaks its answers."""
    with faulty_proxy(f"http://{registry}") as running:
        yield running


@pytest.fixture
def there(image: str, registry: str, proxy: FaultyProxy) -> str:
    """The image by the proxy's name."""
    return image.replace(registry, proxy.place)


_FAULTS = [
    pytest.param({"status": 500}, id="fails"),
    pytest.param({"status": 503, "retry_after": "1"}, id="overloaded"),
    pytest.param({"status": 429, "retry_after": "1"}, id="limits"),
    pytest.param({"closed": True}, id="ends the connection"),
    pytest.param({"half": True}, id="sends half an answer"),
]


@pytest.mark.parametrize("fault", _FAULTS)
def test_an_image_is_found_after_a_failure_of_each_request(proxy: FaultyProxy, there: str, fault: Any) -> None:
    proxy.faults = [Fault(path=_MANIFESTS, **fault), Fault(path=_BLOBS, **fault)]

    found = look_up(there.partition("@")[0] + ":x", login=anonymous)

    assert found is not None
    assert found.digest == there.partition("@")[2]
    assert proxy.faults == []


@pytest.mark.parametrize("fault", [*_FAULTS, pytest.param({"lost": True}, id="loses its answer")])
def test_signatures_and_packages_outlast_a_failure_of_each_request(
    proxy: FaultyProxy, there: str, tmp_path: Path, fault: Any
) -> None:
    private, public = keys("ecdsa")
    (tmp_path / "process.cwl").write_text("{}")
    uploads = [Fault(path=_UPLOADS, method=method, **fault) for method in ("POST", "PUT")]
    manifest = Fault(path=_MANIFESTS, method="PUT", **fault)

    proxy.faults = [*uploads, manifest]
    sign_image(there, private, {predicate_type: predicate()}, login=anonymous)
    assert proxy.faults == []
    proxy.faults = [*uploads, manifest, Fault(path=_MANIFESTS, method="GET", **fault)]
    place = push_package(tmp_path, ["process.cwl"], there, login=anonymous)

    assert proxy.faults == []
    verify_image(there, public, login=anonymous)
    tag = place.rpartition(":")[2]
    accept = {"Accept": manifest_type}
    name = there.partition("/")[2].partition("@")[0]
    pushed = requests.get(f"{proxy.url}/v2/{name}/manifests/{tag}", headers=accept, timeout=60).json()
    assert [layer["annotations"]["org.opencontainers.image.title"] for layer in pushed["layers"]] == ["process.cwl"]


def test_a_registry_that_keeps_failing_is_one_error_and_gets_no_manifest(
    proxy: FaultyProxy, there: str, tmp_path: Path
) -> None:
    (tmp_path / "process.cwl").write_text("{}")
    proxy.faults = [Fault(path=_UPLOADS, method="PUT", status=503)] * 9

    with pytest.raises(PublishError, match="the registry rejects the package: 503 Service Unavailable") as failed:
        push_package(tmp_path, ["process.cwl"], there, login=anonymous)

    assert failed.value.exit_code == 18
    assert [path for method, path in proxy.asked if method == "PUT" and _MANIFESTS in path] == []


@pytest.mark.parametrize("path", [_MANIFESTS, _BLOBS])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_registry_that_fails_does_not_pass_for_an_empty_one(
    proxy: FaultyProxy, there: str, path: str, status: int
) -> None:
    """Nobody knows whose image has the name, so a build must not replace it."""
    proxy.faults = [Fault(path=path, status=status)] * 9
    own = Holder(address="https://a.example.org/ada/trees", checkout="main", place="x")

    with pytest.raises(PublishError, match=f"the registry answers {status} .* try again later"):
        _check_registry(there.partition("@")[0] + ":x", own, anonymous, is_chosen=False)

    assert len([one for _, one in proxy.asked if path in one]) == 4


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"config": {"Labels": "text"}}, id="a text for labels"),
        pytest.param({"config": {"Labels": ["a"]}}, id="a list"),
        pytest.param({"config": {"Labels": {"org.opencontainers.image.source": 5}}}, id="a number for a label"),
        pytest.param({"config": "text"}, id="no configuration"),
        pytest.param([], id="no object"),
    ],
)
def test_labels_that_are_not_texts_by_their_names_are_those_of_no_image(registry: str, config: Any) -> None:
    name = f"http://{registry}/v2/ada/odd"
    content = json.dumps(config).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    place = requests.post(f"{name}/blobs/uploads/", timeout=60).headers["Location"]
    place = f"{place}{'&' if '?' in place else '?'}digest={digest}"
    requests.put(urljoin(name, place), data=content, timeout=60).raise_for_status()
    kind = "application/vnd.oci.image.config.v1+json"
    described = {"mediaType": kind, "digest": digest, "size": len(content)}
    manifest = {"schemaVersion": 2, "mediaType": manifest_type, "config": described, "layers": []}
    headers = {"Content-Type": manifest_type}
    body = json.dumps(manifest)
    requests.put(f"{name}/manifests/x", data=body, headers=headers, timeout=60).raise_for_status()

    assert look_up(f"{registry}/ada/odd:x", login=anonymous) is None
    with pytest.raises(PublishError, match="another one may have its name: the registry's answer is not an image"):
        find_holder(f"{registry}/ada/odd:x", login=anonymous)


def test_a_registry_decides_how_long_to_wait_up_to_a_minute(
    proxy: FaultyProxy, there: str, pauses: list[float]
) -> None:
    target = there.partition("@")[0] + ":x"
    proxy.faults = [Fault(path=_MANIFESTS, status=429, retry_after="7")]
    assert look_up(target, login=anonymous) is not None
    assert pauses == [7.0]
    proxy.faults = [Fault(path=_MANIFESTS, status=429, retry_after="3600")]
    with pytest.raises(PublishError, match="429"):
        look_up(target, login=anonymous)
    assert pauses == [7.0]


def test_a_refusal_is_not_repeated(proxy: FaultyProxy, there: str, pauses: list[float]) -> None:
    proxy.faults = [Fault(path=_MANIFESTS, status=403)] * 9

    assert look_up(there.partition("@")[0] + ":x", login=anonymous) is None
    assert pauses == []


def test_a_silent_registry_ends_a_request(
    proxy: FaultyProxy, there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_requests, "_TIMEOUTS", (5.0, 0.5))
    (tmp_path / "process.cwl").write_text("{}")
    proxy.faults = [Fault(path=_UPLOADS, silent=True)] * 9

    with pytest.raises(PublishError, match="timed out"):
        push_package(tmp_path, ["process.cwl"], there, login=anonymous)


@pytest.mark.parametrize(
    ("cause", "temporary"),
    [
        ("received unexpected HTTP status: 503 Service Unavailable", True),
        ("received unexpected HTTP status: 429 Too Many Requests", True),
        ("toomanyrequests: You have reached your pull rate limit", True),
        ("error parsing HTTP 429 response body: unexpected end of JSON input", True),
        ("failed to copy: httpReadSeeker: failed open: unexpected status code 502 Bad Gateway", True),
        ("write tcp 10.0.0.1:5000: write: broken pipe", True),
        ("denied: requested access to the resource is denied", False),
    ],
)
def test_which_failures_of_the_engine_are_temporary(cause: str, *, temporary: bool) -> None:
    assert _is_temporary(cause) is temporary


class _Unclear(BaseHTTPRequestHandler):
    """Answers manifests and blobs with what the test has; ``/v2/`` is that of a registry without logins."""

    status, manifest, blob = 200, b"", b""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        is_first = self.path == "/v2/"
        content = b"{}" if is_first else self.blob if "/blobs/" in self.path else self.manifest
        self.send_response(200 if is_first else self.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


_OWN = Holder(address="https://a.example.org/ada/trees", checkout="main", place="x")
_NAMED = json.dumps({"schemaVersion": 2, "config": {"digest": f"sha256:{'0' * 64}"}}).encode()


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        pytest.param({"status": 401}, "the registry requires a login, which is missing", id="requires a login"),
        pytest.param({"status": 403}, "the registry requires a login, which is missing", id="refuses"),
        pytest.param({"status": 410}, "the registry answers 410 Gone", id="another status"),
        pytest.param({"manifest": b"<html>Sign in</html>"}, "answer is not an image", id="page of a proxy"),
        pytest.param({"manifest": b"[]"}, "answer is not an image", id="no manifest"),
        pytest.param({"manifest": b'{"manifests": []}'}, "answer is not an image", id="index of nothing"),
        pytest.param({"manifest": _NAMED, "blob": b"{}"}, "does not match its digest", id="another digest"),
    ],
)
def test_a_chosen_name_is_not_free_until_the_registry_answers_that_it_has_none(
    answers: dict[str, Any], reason: str, pauses: list[float]
) -> None:
    handler = type("Handler", (_Unclear,), answers)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        target = f"127.0.0.1:{server.server_port}/ada/chosen:x"

        with pytest.raises(PublishError, match=rf"(?s)may have its name: .*{reason}.*docker login 127.*--replace"):
            _check_registry(target, _OWN, anonymous, is_chosen=True)
        _check_registry(target, _OWN, anonymous, is_chosen=False)
        handler.status = 404
        _check_registry(target, _OWN, anonymous, is_chosen=True)
        server.shutdown()


def test_a_chosen_name_is_not_free_if_its_registry_cannot_be_reached(pauses: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = f"127.0.0.1:{server.getsockname()[1]}/ada/chosen:x"

    with pytest.raises(PublishError, match=r"cannot be pushed, .*: the registry cannot be reached: .*refused"):
        _check_registry(target, _OWN, anonymous, is_chosen=True)


class _Endless(BaseHTTPRequestHandler):
    """Answers each request, or redirects it once, with a body of 200 MiB."""

    sent = 0
    redirects = False

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        is_first = type(self).redirects and "again" not in self.path and self.path != "/v2/"
        self.send_response(307 if is_first else 200)
        if is_first:
            self.send_header("Location", f"{self.path}?again")
        self.send_header("Content-Length", "0" if self.path == "/v2/" else str(200 << 20))
        self.end_headers()
        with suppress(OSError):
            for _ in range(0 if self.path == "/v2/" else 200):
                self.wfile.write(bytes(1 << 20))
                type(self).sent += 1 << 20


@pytest.mark.parametrize("redirects", [False, True], ids=["answer", "redirect"])
def test_a_registry_that_answers_without_end_is_not_read_to_the_end(redirects: bool) -> None:
    handler = type("Handler", (_Endless,), {"redirects": redirects})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        image = f"127.0.0.1:{server.server_port}/ada/trees@sha256:{'0' * 64}"
        with pytest.raises(SignatureError, match="more than 32 MiB"):
            verify_image(image, keys("ecdsa")[1], login=anonymous)
        server.shutdown()

    assert handler.sent < 100 << 20
