"""Signatures of images: written and read in a real registry, and the same that cosign writes and reads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import git
import pytest
import requests
from oci_registry import oci_registry
from waiting import wait_until

from generator.build import pipeline
from generator.cli import main
from generator.containers import signatures
from generator.containers.registry_images import look_up
from generator.containers.registry_session import anonymous
from generator.containers.signatures import sign_image, verify_image
from generator.documents.slsa import predicate_type, slsa_predicate
from generator.network.address_policy import Access
from generator.progress import Progress
from generator.repository.address import parse_repository
from generator.repository.git_environment import git_environment
from generator.request.build import build_request
from generator.request.settings import Settings, read_settings
from generator.shared.errors import SignatureError, UsageError
from generator.signing.formats import envelope, open_envelope, payload_type, statement
from generator.signing.keys import SigningKey, VerifyingKey, parse_signing_key, parse_verifying_key
from generator.subprocesses import commands, conversation, detached, streams

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_PASSWORD = "harmless"
here = Path(__file__).parent / "cosign"
"""A key pair of ``cosign generate-key-pair`` (2.5.0), for these tests alone, and what ``cosign sign`` wrote with it."""


def key_pair(kind: str, password: str = "") -> tuple[str, str]:
    """Return a private and a public key in PEM, as openssl writes them."""
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    key = ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())
    hidden = pem.BestAvailableEncryption(password.encode()) if password else pem.NoEncryption()
    private = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, hidden)
    public = key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def keys(kind: str) -> tuple[SigningKey, VerifyingKey]:
    private, public = key_pair(kind, _PASSWORD)
    return parse_signing_key(private, _PASSWORD, where="key"), parse_verifying_key(public, where="key")


def predicate() -> dict[str, object]:
    return slsa_predicate(
        address="https://example.org/a/b",
        checkout="main",
        commit="0" * 40,
        processes=("process.ipynb",),
        base="docker.io/library/debian@sha256:" + "1" * 64,
        options={},
    )


@pytest.mark.parametrize("kind", ["ecdsa", "ed25519"])
def test_an_image_is_signed_and_verified(image: str, kind: str) -> None:
    private, public = keys(kind)

    sign_image(image, private, {predicate_type: predicate()}, login=anonymous)

    verify_image(image, public, login=anonymous)


def test_signatures_of_others_stay_and_the_own_is_not_repeated(image: str) -> None:
    first, second = keys("ecdsa"), keys("ed25519")
    for private, _ in (first, second, first):
        sign_image(image, private, {predicate_type: predicate()}, login=anonymous)

    for _, public in (first, second):
        verify_image(image, public, login=anonymous)
    assert len(layers(image, "sig")) == len(layers(image, "att")) == 2


def test_signatures_of_others_stay_beyond_the_number_that_is_checked(
    image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signatures, "_MOST", 2)
    pairs = [keys("ed25519") for _ in range(4)]
    for private, _ in pairs:
        sign_image(image, private, {predicate_type: predicate()}, login=anonymous)

    assert len(layers(image, "sig")) == len(layers(image, "att")) == 4
    for _, public in pairs[-2:]:
        verify_image(image, public, login=anonymous)


def test_an_attestation_of_others_that_is_too_large_is_kept_unread(image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    large = {predicate_type: {**predicate(), "more": "x" * 20_000}}
    sign_image(image, keys("ecdsa")[0], large, login=anonymous)
    monkeypatch.setattr(signatures, "_LARGEST_BLOB", 10_000)
    private, public = keys("ecdsa")

    sign_image(image, private, {predicate_type: predicate()}, login=anonymous)

    verify_image(image, public, login=anonymous)
    assert len(layers(image, "att")) == 2


def test_signing_an_unchanged_image_again_writes_nothing(image: str) -> None:
    private = keys("ecdsa")[0]
    sign_image(image, private, {predicate_type: predicate()}, login=anonymous)
    before = layers(image, "att"), layers(image, "sig")

    sign_image(image, private, {predicate_type: predicate()}, login=anonymous)
    assert (layers(image, "att"), layers(image, "sig")) == before

    sign_image(image, private, {predicate_type: {**predicate(), "more": 1}}, login=anonymous)
    assert len(layers(image, "att")) == 1
    assert layers(image, "att") != before[0]


def test_an_image_without_attestations_has_no_tag_for_them(image: str) -> None:
    sign_image(image, keys("ecdsa")[0], {}, login=anonymous)

    assert len(layers(image, "sig")) == 1
    assert manifest(image, "att").status_code == 404


def layers(image: str, ending: str) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = manifest(image, ending).json()["layers"]
    return listed


def manifest(image: str, ending: str) -> requests.Response:
    name, _, digest = image.partition("@")
    host, _, path = name.partition("/")
    address = f"http://{host}/v2/{path}/manifests/{digest.replace(':', '-')}.{ending}"
    return requests.get(address, headers={"Accept": _MANIFEST}, timeout=60)


def test_an_image_without_a_signature_is_refused(image: str) -> None:
    with pytest.raises(SignatureError, match="not signed"):
        verify_image(image, keys("ecdsa")[1], login=anonymous)


def test_an_image_with_a_signature_of_another_key_is_refused(image: str) -> None:
    sign_image(image, keys("ecdsa")[0], {}, login=anonymous)

    with pytest.raises(SignatureError, match="no signature is of the given key"):
        verify_image(image, keys("ecdsa")[1], login=anonymous)


def test_the_signature_of_another_image_is_refused(image: str) -> None:
    private, public = keys("ecdsa")
    sign_image(image, private, {}, login=anonymous)
    name, _, digest = image.partition("@")
    host, _, path = name.partition("/")
    other = "sha256:" + "2" * 64
    base, accept = f"http://{host}/v2/{path}/manifests/", {"Accept": _MANIFEST}
    stolen = requests.get(f"{base}{digest.replace(':', '-')}.sig", headers=accept, timeout=60).content
    tag = f"{base}{other.replace(':', '-')}.sig"
    requests.put(tag, data=stolen, headers={"Content-Type": _MANIFEST}, timeout=60).raise_for_status()

    with pytest.raises(SignatureError, match="no signature is of the given key"):
        verify_image(f"{name}@{other}", public, login=anonymous)


_LAYER = {"mediaType": payload_type, "digest": "", "size": float("inf")}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"[" * 200_000, id="deep"),
        pytest.param(b'{"layers": 5}', id="no-list"),
        pytest.param(json.dumps({"layers": [_LAYER]}).encode(), id="size-without-end"),
    ],
)
def test_an_answer_that_is_no_manifest_is_an_error(answer: bytes) -> None:
    digest = "sha256:" + "1" * 64
    with oci_registry() as registry:
        registry.put("a/b", f"{digest.replace(':', '-')}.sig", _MANIFEST, answer)
        registry.put("a/b", "main", _MANIFEST, answer)

        with pytest.raises(SignatureError, match="its signature cannot be read"):
            verify_image(f"{registry.place}/a/b@{digest}", keys("ecdsa")[1], login=anonymous)
        assert look_up(f"{registry.place}/a/b:main", login=anonymous) is None


def test_an_image_without_a_digest_is_refused() -> None:
    with pytest.raises(SignatureError, match="without a digest"):
        verify_image("registry.example.org/a:b", keys("ecdsa")[1], login=anonymous)


def package_with(image: str, case: str, folder: Path) -> Path:
    """Return a copy of a case's package whose process has this image."""
    package = shutil.copytree(Path(__file__).parents[1] / "cases/packages" / case / "expected", folder / "package")
    record = json.loads((package / "package.json").read_text())
    for name in ("process.cwl", "package.json"):
        text = (package / name).read_text()
        (package / name).write_text(text.replace(record["image"]["reference"], image))
    return package


@contextmanager
def asking_registry() -> Iterator[tuple[str, list[str]]]:
    """A registry that requires a password, and what it gets as one."""
    logins: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            logins.append(self.headers.get("Authorization", ""))
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="registry"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", logins
        server.shutdown()


def test_a_run_starts_nothing_if_an_image_is_not_signed(
    image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = package_with(image, "no-inputs", tmp_path)
    (tmp_path / "key.pub").write_text(key_pair("ed25519")[1])

    code = main(["run", str(package), "--outdir", str(tmp_path / "out"), "--verify", str(tmp_path / "key.pub")])

    assert code == 22
    assert f"{image}: not signed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [("--resume",), ("--", "--restart")], ids=["--resume", "Toil's --restart"])
def test_a_run_that_continues_is_not_verified(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = package_with(f"registry.example.org/a@sha256:{'5' * 64}", "no-inputs", tmp_path)
    (tmp_path / "key.pub").write_text(key_pair("ed25519")[1])
    key, out = str(tmp_path / "key.pub"), str(tmp_path / "out")

    code = main(["run", str(package), "--outdir", out, "--engine", "toil", "--trust", "--verify", key, *words])

    assert code == 2
    assert "omit --resume and choose another --outdir" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", ["--singularity", "--singul", "--udocker", "--user-space-docker-cmd=u", "--no-container"]
)
def test_nothing_else_than_what_is_verified_is_started(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For Singularity, cwltool takes a file of the present folder that has the name of the image."""
    package = package_with(f"registry.example.org/a@sha256:{'7' * 64}", "no-inputs", tmp_path)
    (tmp_path / "key.pub").write_text(key_pair("ed25519")[1])
    key, out = str(tmp_path / "key.pub"), str(tmp_path / "out")

    code = main(["run", str(package), "--outdir", out, "--trust", "--verify", key, "--", option])

    assert code == 2
    assert f"--verify: with {option.partition('=')[0]}, what runs may be another image" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("run",), ("map", "--product", "n=1..2")], ids=["run", "map"])
def test_trust_does_not_extend_to_what_is_verified(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = package_with(f"registry.example.org/a@sha256:{'6' * 64}", "r-notebook", tmp_path)
    with (package / "process.cwl").open("a") as document:
        document.write("stdin: /dev/null\n")
    (tmp_path / "key.pub").write_text(key_pair("ed25519")[1])
    command, *options = words
    key, out = str(tmp_path / "key.pub"), str(tmp_path / "out")

    code = main([command, str(package), *options, "--outdir", out, "--trust", "--verify", key])

    assert code == 17
    shown = capsys.readouterr().err
    assert "omit --verify for --trust" in shown
    assert "run it with --trust" not in shown


@pytest.mark.parametrize(
    ("host", "gets"),
    [("", False), ("registry.example.org", False), ("127.0.0.1", True)],
    ids=["no host set", "another host set", "its host set"],
)
@pytest.mark.parametrize("words", [("run",), ("map", "--product", "n=1..2")], ids=["run", "map"])
def test_a_registry_that_a_package_names_gets_no_password_of_another(
    host: str, gets: bool, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKMILL_REGISTRY_USER", "ada")
    monkeypatch.setenv("PACKMILL_REGISTRY_PASSWORD", _PASSWORD)
    monkeypatch.setenv("PACKMILL_REGISTRY_HOST", host)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    command, *options = words
    with asking_registry() as (address, logins):
        package = package_with(f"{address}/a@sha256:{'4' * 64}", "r-notebook", tmp_path)
        (tmp_path / "key.pub").write_text(key_pair("ed25519")[1])

        out = str(tmp_path / "out")
        code = main([command, str(package), *options, "--outdir", out, "--verify", str(tmp_path / "key.pub")])

    assert code == 22
    assert any(logins) == gets


def test_cosigns_own_keys_and_signatures_are_read() -> None:
    public = parse_verifying_key((here / "cosign.pub").read_text(), where="cosign.pub")
    private = parse_signing_key((here / "cosign.key").read_text(), _PASSWORD, where="cosign.key")
    payload, signature = (here / "payload.json").read_bytes(), (here / "payload.sig").read_bytes()

    assert public.verifies(payload, signature)
    assert public.verifies(b"text", private.sign(b"text"))
    assert not public.verifies(payload + b" ", signature)


@pytest.mark.skipif(
    shutil.which("cosign") is None,
    reason="cosign is missing: apt-get install cosign (Debian 13), or put a release of sigstore/cosign on PATH",
)
@pytest.mark.parametrize("kind", ["ecdsa", "ed25519", "cosign"])
def test_cosign_verifies_images_that_packmill_signs(image: str, kind: str, tmp_path: Path) -> None:
    private, public = key_pair(kind, _PASSWORD)
    if kind == "cosign":
        private, public = (here / "cosign.key").read_text(), (here / "cosign.pub").read_text()
    (tmp_path / "key.pub").write_text(public)
    sign_image(
        image,
        parse_signing_key(private, _PASSWORD, where="key"),
        {predicate_type: predicate(), "https://cyclonedx.org/bom": {"bomFormat": "CycloneDX", "specVersion": "1.6"}},
        login=anonymous,
    )

    for words in (("verify",), *(("verify-attestation", "--type", one) for one in ("slsaprovenance1", "cyclonedx"))):
        command = ["cosign", *words, "--key", "key.pub", "--insecure-ignore-tlog", "--allow-http-registry", image]
        home = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(command, cwd=tmp_path, env=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_an_envelope_of_another_key_is_not_opened() -> None:
    private, public = keys("ed25519")
    stated = statement(predicate_type, predicate(), name="registry.example.org/a", digest="sha256:" + "3" * 64)

    assert open_envelope(envelope(stated, private), public) == stated
    assert open_envelope(envelope(stated, private), keys("ed25519")[1]) is None
    assert open_envelope(b"[]", public) is None


@pytest.mark.parametrize(
    ("password", "message"), [("", "set PACKMILL_SIGN_PASSWORD"), ("wrong", "its password .* is wrong")]
)
def test_a_key_without_its_password_is_refused_and_not_shown(password: str, message: str) -> None:
    private, _ = key_pair("ecdsa", _PASSWORD)

    with pytest.raises(UsageError, match=message) as refused:
        read_settings({"PACKMILL_SIGN_KEY": private, "PACKMILL_SIGN_PASSWORD": password})

    assert private.splitlines()[1] not in str(refused.value)
    readable = read_settings({"PACKMILL_SIGN_KEY": private, "PACKMILL_SIGN_PASSWORD": _PASSWORD})
    assert private.splitlines()[1] not in repr(readable)


def test_a_key_without_its_first_line_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    body = key_pair("ed25519")[0].splitlines()[1]

    with pytest.raises(UsageError, match=r"^PACKMILL_SIGN_KEY: the key cannot be read") as refused:
        read_settings({"PACKMILL_SIGN_KEY": body})
    code = main(["build", "https://example.org/a/b", "--push", "registry.example.org/a", "--sign", body])

    assert body not in str(refused.value)
    assert code == 2
    assert body not in (shown := capsys.readouterr().err)
    assert "--sign: the key cannot be read" in shown


def test_keys_of_other_kinds_are_refused() -> None:
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()).decode()

    with pytest.raises(UsageError, match="use ECDSA P-256 or Ed25519"):
        parse_signing_key(text, "", where="key")


def test_an_image_with_forged_labels_is_not_reused_and_signed(image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from generator.build import publish
    from generator.containers.registry_images import RemoteImage
    from generator.image.names import key_label

    name, _, digest = image.partition("@")
    private, _ = key_pair("ed25519")
    monkeypatch.setattr(publish, "look_up", lambda *_, **__: RemoteImage(digest=digest, labels={key_label: "key"}))
    monkeypatch.setattr(publish.engine, "inspect", lambda _: pytest.fail("the image is reused"))

    settings = read_settings({"PACKMILL_SIGN_KEY": private})

    assert (
        publish.find_pushed(name.rpartition("/")[0], f"{name.rpartition('/')[2]}:x", "key", settings=settings) is None
    )


def test_only_the_job_that_publishes_gets_the_key() -> None:
    from generator.service.jobs.environment import without_signing_key

    own = {"PACKMILL_SIGN_KEY": "key", "PACKMILL_SIGN_PASSWORD": "harmless", "PATH": "/bin"}

    assert without_signing_key(own, "publish") == own
    assert without_signing_key(own, "build") == {"PATH": "/bin"}


@pytest.fixture
def key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKMILL_SIGN_KEY", "-----BEGIN")
    monkeypatch.setenv("PACKMILL_SIGN_PASSWORD", "harmless")


@pytest.mark.usefixtures("key_in_the_environment")
@pytest.mark.parametrize("way", ["run", "stream", "start_detached", "start_apart", "Conversation"])
def test_programs_that_packmill_starts_do_not_inherit_the_key(way: str, tmp_path: Path) -> None:
    seen, log = tmp_path / "seen", tmp_path / "log"
    command = ("sh", "-c", 'env > "$0.part"; mv "$0.part" "$0"', str(seen))

    if way == "run":
        commands.run(command)
    elif way == "stream":
        streams.stream(command, on_line=print)
    elif way == "start_detached":
        detached.start_detached(command, log=log)
    elif way == "start_apart":
        with log.open("wb") as file:
            detached.start_apart(command, handing=file.fileno(), text="", log=log)
    else:
        conversation.Conversation(command, log=log).end()

    wait_until(seen.exists, message="the program has printed its environment")
    assert "PATH=" in seen.read_text()
    assert "PACKMILL_SIGN" not in seen.read_text()


@pytest.mark.usefixtures("key_in_the_environment")
def test_no_program_of_a_build_inherits_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries start some: repo2docker the builder, docker-py and oras the helpers of ``docker login``."""
    seen = dict[str, str]()

    def fetch(*_: object) -> None:
        seen.update(os.environ)
        raise InterruptedError

    monkeypatch.setattr(pipeline, "fetch_commit", fetch)
    with pytest.raises(InterruptedError):
        pipeline.build(build_request(str(tmp_path), build_image=False), Settings(), Progress())

    assert "PATH" in seen
    assert not [name for name in seen if name.startswith("PACKMILL_SIGN")]
    assert os.environ["PACKMILL_SIGN_KEY"]


@pytest.mark.usefixtures("key_in_the_environment")
@pytest.mark.parametrize("access", [Access.FULL, Access.PUBLIC], ids=lambda one: one.name)
def test_git_does_not_inherit_the_key(access: Access, tmp_path: Path) -> None:
    repository = parse_repository("https://example.org/a/b")

    with git_environment(repository, "", access=access) as environment:
        printed = git.Git(tmp_path).execute(["git", "-c", "alias.print=!env", "print"], env=environment)

    assert "GIT_ASKPASS" in printed
    assert "PACKMILL_SIGN" not in printed
    assert os.environ["PACKMILL_SIGN_KEY"]
