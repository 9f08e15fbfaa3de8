"""Images in a registry that asks for a login: pushed, named by digest, run from there, and what goes wrong."""

from __future__ import annotations

import base64
import gzip
import http.client
import io
import json
import os
import re
import secrets
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from support import Finished, commit_all, write_notebook

from generator.containers import registry as registries
from generator.containers.image_notes import notes_folder
from generator.containers.registry import push
from generator.containers.registry_images import look_up
from generator.containers.registry_session import Login
from generator.shared.errors import PublishError

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("docker-registry") is None, reason="Debian's docker-registry is not installed"),
]
_USER, _PASSWORD = "ada", "open sesame"


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKMILL_REGISTRY_USER", _USER)
    monkeypatch.setenv("PACKMILL_REGISTRY_PASSWORD", _PASSWORD)


@contextmanager
def failing_registry(registry: str, failures: int) -> Iterator[str]:
    """Forward requests to a registry, but answer the first uploads of a manifest with 503."""
    left = [503] * failures

    class Forward(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.read_body()
            if self.command == "PUT" and "/manifests/" in self.path and left:
                self.answer(left.pop(), [("Content-Length", "0")], b"")
                return
            behind = http.client.HTTPConnection(registry)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "transfer-encoding"}
            behind.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
            answer = behind.getresponse()
            content = answer.read()
            dropped = ("transfer-encoding", "connection")
            self.answer(answer.status, [one for one in answer.getheaders() if one[0].lower() not in dropped], content)
            behind.close()

        def read_body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = forward  # noqa: N815 - the library's names

    with ThreadingHTTPServer(("127.0.0.1", 0), Forward) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def small_image(engine: None) -> Iterator[str]:
    """An image of one small file."""
    name, content = f"packmill-tests/small:{secrets.token_hex(6)}", io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        member = tarfile.TarInfo("a.txt")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"a"))
    subprocess.run(["docker", "import", "-", name], input=content.getvalue(), capture_output=True, check=True)
    yield name
    subprocess.run(["docker", "rmi", name], capture_output=True, check=True)


@pytest.mark.parametrize(("failures", "pushed"), [(1, True), (3, False)])
def test_a_push_is_repeated_after_a_server_error(
    failures: int, pushed: bool, registry: str, small_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registries, "_PAUSES", (0, 0))
    said: list[str] = []

    with failing_registry(registry, failures) as address:
        target = f"{address}/small:{secrets.token_hex(6)}"
        if pushed:
            digest = push(small_image, target, login=Login(user=_USER, password=_PASSWORD), on_line=said.append)
            assert digest.startswith("sha256:")
        else:
            with pytest.raises(PublishError, match=f"{target}: the image cannot be pushed: .*503"):
                push(small_image, target, login=Login(user=_USER, password=_PASSWORD), on_line=said.append)
        subprocess.run(["docker", "rmi", target], capture_output=True, check=True)

    assert sum("trying again" in line for line in said) == min(failures, 2)


_MARK = "marked-0f3a9c17d2e84b65"
_SECRETS = {
    name: f"{name.lower()}-{_MARK}"
    for name in ("PACKMILL_GIT_TOKEN", "PACKMILL_PUBLISH_TOKEN", "PACKMILL_DEPLOY_TOKEN", "UNRELATED_CLOUD_KEY")
}


def _with_a_secret(image: str, folders: Iterable[Path], secrets: Iterable[bytes]) -> list[str]:
    """Where a secret is: in layers, configuration and history of an image, or in files, unpacked if they are gzip."""
    pattern = re.compile(b"|".join(map(re.escape, secrets)))
    found = []
    for command in (("history", "--no-trunc"), ("inspect",)):
        told = subprocess.run(["docker", *command, image], capture_output=True, check=True).stdout
        found += [command[0]] if pattern.search(told) else []
    number = json.loads(subprocess.run(["docker", "inspect", image], capture_output=True, check=True).stdout)[0]["Id"]
    with subprocess.Popen(["docker", "save", number], stdout=subprocess.PIPE) as saving:
        before, size = b"", 0
        for chunk in iter(lambda: saving.stdout.read(1 << 24) if saving.stdout else b"", b""):
            found += ["layers"] if pattern.search(before + chunk) else []
            before, size = chunk[-100:], size + len(chunk)
    assert size > 1 << 26, "the layers of the image have been read"
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes() if path.stat().st_size < 1 << 23 else b""  # large ones are layers, read above
        packed = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else b""
        found += [str(path)] if pattern.search(content + packed) else []
    return found


def test_a_pushed_image_is_named_by_digest_and_runs_from_the_registry(
    registry: str,
    registry_folder: Path,
    login: None,
    base_image: str,
    repository: Path,
    tmp_path: Path,
    packmill: Callable[..., Finished],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1  # type: int", "from packmill import glue\nglue('n', n)")
    commit_all(repository)
    target, keys = f"{registry}/group", Path(__file__).parents[1] / "containers/cosign"
    monkeypatch.setenv("PACKMILL_SIGN_PASSWORD", "harmless")
    for secret, value in _SECRETS.items():
        monkeypatch.setenv(secret, value)
    options = ("--output", tmp_path / "packages", "--push", target, "--sign", keys / "cosign.key", "--json")

    built = packmill("build", repository, *options)

    assert built.code == 0, built.err
    package, image = Path(built.json()["package"]), built.json()["image"]
    name, digest = image.split("@")
    assert name == f"{target}/ada.trees"
    assert f"dockerPull: {image}" in (package / "process.cwl").read_text()
    assert json.loads((package / "package.json").read_text())["image"] == {"reference": image, "digest": digest}
    assert packmill("validate", package).code == 0
    stated = json.loads((package / "provenance.slsa.json").read_text())
    assert stated["subject"] == [{"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}]
    assert stated["predicate"]["buildDefinition"]["externalParameters"]["processes"] == ["process.ipynb"]
    key = (keys / "cosign.key").read_bytes().splitlines()[1]
    account = f"{_USER}:{_PASSWORD}".encode()  # Python's base64 module has the password alone
    secrets_of_build = (_MARK.encode(), account, base64.b64encode(account), key)
    printed = built.err + "".join(path.read_text() for path in package.iterdir())
    assert not [secret for secret in (*secrets_of_build, _PASSWORD.encode()) if secret in printed.encode()]
    assert _with_a_secret(image, (package, registry_folder, notes_folder()), secrets_of_build) == []

    subprocess.run(["docker", "rmi", "--force", image], capture_output=True, check=True)
    subprocess.run(["docker", "login", registry, "-u", _USER, "--password-stdin"], input=_PASSWORD, text=True, capture_output=True, check=True, env={**os.environ, "DOCKER_CONFIG": str(tmp_path)})  # fmt: skip # noqa: E501
    pulled = subprocess.run(["docker", "--config", str(tmp_path), "pull", "--quiet", image], capture_output=True, text=True, check=False)  # fmt: skip # noqa: E501
    assert pulled.returncode == 0, pulled.stderr
    monkeypatch.setenv("PACKMILL_REGISTRY_HOST", registry)  # the package names the host, so the login needs its own
    ran = packmill("run", package, "-pn=7", "--outdir", tmp_path / "out", "--verify", keys / "cosign.pub")
    assert ran.code == 0, ran.err
    assert json.loads((tmp_path / "out/output/scraps.json").read_text()) == {"n": 7}

    again = packmill("build", repository, *options)
    assert again.code == 0, again.err
    assert (again.json()["image"], again.json()["changed"]) == (image, False)


def _put_index(registry: str, name: str, tag: str, new: str) -> None:
    """Puts an index of one image, as engines with containerd's image store push it, under a new tag."""
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    address, login = f"http://{registry}/v2/{name}/manifests", (_USER, _PASSWORD)
    image = requests.get(f"{address}/{tag}", auth=login, headers={"Accept": kind}, timeout=60)
    image.raise_for_status()
    entry = {"mediaType": kind, "size": len(image.content), "digest": image.headers["Docker-Content-Digest"]}
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{**entry, "platform": {"architecture": "amd64", "os": "linux"}}],
    }
    headers = {"Content-Type": index["mediaType"]}
    requests.put(f"{address}/{new}", auth=login, data=json.dumps(index), headers=headers, timeout=60).raise_for_status()


def test_another_repository_s_image_is_not_replaced(
    registry: str,
    login: None,
    base_image: str,
    tmp_path: Path,
    packmill: Callable[..., Finished],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two = (tmp_path / owner / "ada" / "trees" for owner in ("one", "two"))
    for folder in (one, two):
        write_notebook(folder / "process.ipynb", "n = 1  # type: int")
        commit_all(folder)
    target = f"{registry}/shared/chosen"
    foreign = f"{target}:foreign"
    subprocess.run(["docker", "tag", base_image, foreign], check=True)
    environment = {**os.environ, "DOCKER_CONFIG": str(tmp_path)}
    subprocess.run(["docker", "login", registry, "-u", _USER, "--password-stdin"], input=_PASSWORD, text=True, capture_output=True, check=True, env=environment)  # fmt: skip # noqa: E501
    subprocess.run(["docker", "push", "--quiet", foreign], capture_output=True, check=True, env=environment)
    subprocess.run(["docker", "rmi", foreign], capture_output=True, check=True)
    command = ("--output", tmp_path / "out", "--push", f"{registry}/shared", "--image")
    built = packmill("build", one, *command, "chosen:1", "--json")
    assert built.code == 0, built.err
    _put_index(registry, "shared/chosen", "1", "index")
    before = look_up(f"{target}:1", login=Login(user=_USER, password=_PASSWORD))

    monkeypatch.setattr("generator.build.images.ensure_image", lambda *_: pytest.fail("an image is built"))
    for name, present in (("chosen:1", str(one)), ("chosen:index", str(one)), ("chosen:foreign", "did not write")):
        refused = packmill("build", two, "--output", tmp_path / "other", *command[2:], name)
        assert refused.code == 18, refused.err
        for words in (present, str(two), f"{registry}/shared/{name}", "--replace"):
            assert words in refused.err
    assert look_up(f"{target}:1", login=Login(user=_USER, password=_PASSWORD)) == before
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("user", "password", "where", "said"),
    [
        ("", "", "{registry}/group", "PACKMILL_REGISTRY_USER"),
        (_USER, "wrong", "{registry}/group", "cannot be pushed"),
        (_USER, _PASSWORD, "127.0.0.1:9/group", "cannot be pushed"),
    ],
)
def test_a_push_that_fails_gives_exit_18_and_no_package(
    user: str,
    password: str,
    where: str,
    said: str,
    registry: str,
    base_image: str,
    repository: Path,
    tmp_path: Path,
    packmill: Callable[..., Finished],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PACKMILL_REGISTRY_USER", user)
    monkeypatch.setenv("PACKMILL_REGISTRY_PASSWORD", password)
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository)

    built = packmill("build", repository, "--output", tmp_path / "out", "--push", where.format(registry=registry))

    assert built.code == 18, built.err
    assert said in built.err
    assert "wrong" not in built.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text",
    ["group", "https://ada:secret@registry.example.org/x", "registry.example.org/Group", "a b.org/x", "-x.org/y"],
)
def test_what_is_no_registry_is_refused(text: str, repository: Path, packmill: Callable[..., Finished]) -> None:
    finished = packmill("build", repository, f"--push={text}")

    assert finished.code == 2
    assert "invalid registry" in finished.err
    assert "secret" not in finished.err
