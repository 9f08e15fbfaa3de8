"""What packmill attaches to an image is found by the referrers API, and by its tag where a registry lacks the API."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from oci_registry import INDEX, OciRegistry, oci_registry
from test_signatures import key_pair, keys, predicate

from generator.containers.package_artifact import package_type, push_package, push_sbom, sbom_type
from generator.containers.registry_session import anonymous
from generator.containers.signatures import sign_image, verify_image
from generator.documents.slsa import predicate_type
from generator.shared.errors import SignatureError
from generator.signing.formats import payload_type, signature_payload
from generator.signing.keys import SigningKey, parse_signing_key

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"
_ATTESTATION = "application/vnd.dev.cosign.artifact.att.v1+json"


@pytest.fixture(scope="module")
def newer() -> Iterator[OciRegistry]:
    """A registry with the API."""
    with oci_registry() as served:
        yield served


@pytest.fixture(params=["API", "tag"])
def registry(newer: OciRegistry, request: pytest.FixtureRequest, registry: str) -> str:
    """A registry with the API, and Debian's, for which clients keep the list at a tag."""
    return newer.place if request.param == "API" else registry


def listed(image: str) -> list[dict[str, Any]]:
    """What a client finds that follows the specification."""
    name, _, digest = image.partition("@")
    host, _, path = name.partition("/")
    answer = requests.get(f"http://{host}/v2/{path}/referrers/{digest}", timeout=60)
    if answer.status_code == 404:
        tag = f"http://{host}/v2/{path}/manifests/{digest.replace(':', '-')}"
        answer = requests.get(tag, headers={"Accept": INDEX}, timeout=60)
    assert answer.headers["Content-Type"] == INDEX
    found: list[dict[str, Any]] = answer.json()["manifests"]
    return found


def manifest(image: str, digest: str) -> Any:
    """A manifest next to an image."""
    host, _, path = image.partition("@")[0].partition("/")
    answer = requests.get(f"http://{host}/v2/{path}/manifests/{digest}", headers={"Accept": _MANIFEST}, timeout=60)
    assert hashlib.sha256(answer.content).hexdigest() == digest.removeprefix("sha256:")
    return answer.json()


def attach_all(image: str, private: SigningKey, folder: Path) -> None:
    """Attach what a build attaches."""
    (folder / "process.cwl").write_text("{}")
    (folder / "sbom.cdx.json").write_text('{"bomFormat": "CycloneDX"}')
    sign_image(image, private, {predicate_type: predicate()}, login=anonymous)
    push_package(folder, ["process.cwl"], image, login=anonymous)
    push_sbom(folder / "sbom.cdx.json", image, login=anonymous)


def test_everything_that_is_attached_to_an_image_refers_to_it(image: str, tmp_path: Path) -> None:
    private = keys("ecdsa")[0]
    for _ in range(2):  # a second build attaches the same
        attach_all(image, private, tmp_path)

    found = listed(image)

    assert sorted(one["artifactType"] for one in found) == sorted([_SIGNATURE, _ATTESTATION, package_type, sbom_type])
    for one in found:
        attached = manifest(image, one["digest"])
        assert attached["subject"]["digest"] == image.partition("@")[2]
        assert attached["artifactType"] == one["artifactType"]


def test_a_registry_with_the_api_gets_no_tag_for_the_list(newer: OciRegistry, image: str, tmp_path: Path) -> None:
    attach_all(image, keys("ecdsa")[0], tmp_path)
    host, _, path = image.partition("@")[0].partition("/")
    tag = f"http://{host}/v2/{path}/manifests/{image.partition('@')[2].replace(':', '-')}"

    has_tag = requests.get(tag, headers={"Accept": INDEX}, timeout=60).ok

    assert has_tag is (host != newer.place)


def test_a_list_that_clients_keep_has_no_replaced_artifacts_and_keeps_those_of_others(
    newer: OciRegistry, image: str, tmp_path: Path
) -> None:
    attach_alone(image, keys("ed25519")[0])
    theirs = listed(image)
    for text in ("{}", '{"a": 1}'):
        (tmp_path / "process.cwl").write_text(text)
        push_package(tmp_path, ["process.cwl"], image, login=anonymous)

    mine = [one for one in listed(image) if one not in theirs]

    assert [one for one in listed(image) if one in theirs] == theirs
    assert len(mine) == (2 if image.startswith(newer.place) else 1)


def attach_alone(image: str, private: SigningKey) -> None:
    """Attach a signature as cosign does with ``--registry-referrers-mode oci-1-1``: without a tag of its own."""
    name, _, digest = image.partition("@")
    host, _, path = name.partition("/")
    base = f"http://{host}/v2/{path}"
    payload = signature_payload(name, digest)
    note = {"dev.cosignproject.cosign/signature": base64.b64encode(private.sign(payload)).decode()}
    subject = requests.get(f"{base}/manifests/{digest}", headers={"Accept": _MANIFEST}, timeout=60).content
    content = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _put_blob(base, b"{}", _SIGNATURE),
            "layers": [{**_put_blob(base, payload, payload_type), "annotations": note}],
            "subject": {"mediaType": _MANIFEST, "digest": digest, "size": len(subject)},
        }
    ).encode()
    own = f"sha256:{hashlib.sha256(content).hexdigest()}"
    put = requests.put(f"{base}/manifests/{own}", data=content, headers={"Content-Type": _MANIFEST}, timeout=60)
    put.raise_for_status()
    if "OCI-Subject" not in put.headers:
        entry = {"mediaType": _MANIFEST, "digest": own, "size": len(content), "artifactType": _SIGNATURE}
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
        tag = f"{base}/manifests/{digest.replace(':', '-')}"
        requests.put(tag, data=index, headers={"Content-Type": INDEX}, timeout=60).raise_for_status()


def _put_blob(base: str, content: bytes, kind: str) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    place = requests.post(f"{base}/blobs/uploads/", timeout=60).headers["Location"]
    requests.put(place, params={"digest": digest}, data=content, timeout=60).raise_for_status()
    return {"mediaType": kind, "digest": digest, "size": len(content)}


def test_a_signature_without_a_tag_of_its_own_is_found(image: str) -> None:
    private, public = keys("ecdsa")
    attach_alone(image, private)

    verify_image(image, public, login=anonymous)
    with pytest.raises(SignatureError, match="no signature is of the given key"):
        verify_image(image, keys("ecdsa")[1], login=anonymous)


def test_a_signature_is_found_on_a_later_page(newer: OciRegistry, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newer, "page", 1)
    for _ in range(2):
        attach_alone(image, keys("ed25519")[0])
    private, public = keys("ecdsa")
    attach_alone(image, private)

    verify_image(image, public, login=anonymous)


def test_a_list_that_continues_at_another_server_is_refused(
    newer: OciRegistry, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That server would get the registry's password."""
    if not image.startswith(newer.place):
        pytest.skip("only the API has pages")
    monkeypatch.setattr(newer, "page", 1)
    for _ in range(2):
        attach_alone(image, keys("ed25519")[0])
    with oci_registry() as other:
        path = image.partition("@")[0].partition("/")[2]
        monkeypatch.setattr(newer, "next_page", f"http://{other.place}/v2/{path}/referrers/{image.partition('@')[2]}")
        with pytest.raises(SignatureError, match="continues at another address"):
            verify_image(image, keys("ecdsa")[1], login=anonymous)


@pytest.mark.skipif(
    shutil.which("cosign") is None,
    reason="cosign is missing: apt-get install cosign (Debian 13), or put a release of sigstore/cosign on PATH",
)
def test_cosign_finds_the_signature_by_the_referrers(image: str, tmp_path: Path) -> None:
    private, public = key_pair("ecdsa", "harmless")
    (tmp_path / "key.pub").write_text(public)
    sign_image(image, parse_signing_key(private, "harmless", where="key"), {}, login=anonymous)

    words = ("cosign", "verify", "--experimental-oci11", "--key", "key.pub", "--insecure-ignore-tlog", "--allow-http-registry", image)  # fmt: skip # noqa: E501
    home = {**os.environ, "HOME": str(tmp_path), "COSIGN_EXPERIMENTAL": "1"}
    done = subprocess.run(words, cwd=tmp_path, env=home, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("oras") is None, reason="oras is missing: apt-get install oras (Debian 13)")
def test_oras_lists_everything_that_is_attached(image: str, tmp_path: Path) -> None:
    attach_all(image, keys("ecdsa")[0], tmp_path)

    words = ("oras", "discover", "--plain-http", "--format", "json", image)
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "HOME": str(tmp_path)})

    assert done.returncode == 0, done.stderr
    found = {one["artifactType"] for one in json.loads(done.stdout)["manifests"]}
    assert found == {_SIGNATURE, _ATTESTATION, package_type, sbom_type}
