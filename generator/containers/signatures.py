"""Signatures and attestations of images in a registry, at the tags where cosign has them, and as referrers.

``sha256-<digest>.sig`` is an image whose layers are signed payloads, ``sha256-<digest>.att`` one whose layers are
envelopes (cosign, specs/SIGNATURE_SPEC.md, "Storage"). Layers that others added stay. Both have the image as their
subject, so that clients of the referrers API find them; a signature that has no such tag is found by it, too.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from generator.containers.referrers import referrers, referrers_tag, upload_referrer
from generator.containers.registry_images import manifest_type, manifest_types
from generator.containers.registry_requests import UNFIT_ANSWERS, require_success, upload_blob
from generator.containers.registry_session import Login, open_registry, require_login
from generator.shared.errors import PublishError, SignatureError
from generator.signing.formats import (
    envelope,
    envelope_type,
    is_payload_of,
    open_envelope,
    payload_type,
    signature_payload,
    statement,
)
from generator.signing.keys import SigningKey, VerifyingKey

_annotation = "dev.cosignproject.cosign/signature"
_config_type = "application/vnd.oci.image.config.v1+json"
_artifact_type = "application/vnd.dev.cosign.artifact.{ending}.v1+json"
"""What cosign calls signatures ("sig") and attestations ("att") among an image's referrers."""
_LARGEST = 4 << 20
"""Bytes of a manifest that are read."""
_LARGEST_BLOB = 32 << 20
"""Bytes of a payload or envelope that are read; larger ones count as those of others."""
_MOST = 100
"""Signatures or attestations of an image that are checked, the newest ones."""


def sign_image(image: str, key: SigningKey, predicates: Mapping[str, Any], *, login: Login | None) -> None:
    """Sign the image ``registry/name@digest``, and attest each predicate by its type.

    A signature of this key is not repeated; an attestation replaces that of this key with the same type,
    unless both are equal. Without a change, nothing is written.

    Raises:
        PublishError: the registry rejects a signature.
    """
    name, _, digest = image.partition("@")
    payload = signature_payload(name, digest)
    signature = base64.b64encode(key.sign(payload)).decode()
    try:
        with _open(image, "sig", login) as signatures:
            if not _is_among(signatures.layers(), digest, key.public, signatures):
                signatures.add([(payload, payload_type, {_annotation: signature})])
        if predicates:
            with _open(image, "att", login) as attestations:
                stated = [statement(kind, one, name=name, digest=digest) for kind, one in predicates.items()]
                _attest(json.loads(json.dumps(stated)), key, attestations)  # as they are read from the registry
    except _failures() as error:
        raise PublishError(f"{image}: the registry rejects the signature: {_line(error)}") from None


def verify_image(image: str, key: VerifyingKey, *, login: Login | None) -> None:
    """Check that the image ``registry/name@digest`` has a signature of the key.

    Raises:
        SignatureError: the image is not named by digest, has no signature of this key, or its registry does not answer.
    """
    digest = image.partition("@")[2]
    if not digest:
        raise SignatureError(f"{image}: images without a digest have no signature; build it with --push and --sign")
    try:
        with _open(image, "sig", login) as signatures:
            layers = signatures.layers()
            signed = _is_among(layers, digest, key, signatures)
            if not signed:
                layers += (others := signatures.layers_of_referrers())
                signed = _is_among(others, digest, key, signatures)
    except _failures() as error:
        raise SignatureError(f"{image}: its signature cannot be read: {_line(error)}") from None
    if not layers:
        raise SignatureError(f"{image}: not signed; sign it with packmill build --sign, or run it without --verify")
    if not signed:
        raise SignatureError(f"{image}: no signature is of the given key; check the key, and who made the image")


def is_signed(image: str, key: VerifyingKey, *, login: Login | None) -> bool:
    """Whether the image ``registry/name@digest`` has a signature of the key."""
    try:
        verify_image(image, key, login=login)
    except SignatureError:
        return False
    return True


def _failures() -> tuple[type[Exception], ...]:
    import requests

    return (requests.RequestException, OSError, *UNFIT_ANSWERS)


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _is_among(layers: list[Any], digest: str, key: VerifyingKey, tag: _Tag) -> bool:
    """Whether a signature of the key is among the newest layers; new ones are added at the end."""
    return any(_is_signature(one, digest, key, tag) for one in reversed(layers[-_MOST:]))


def _is_signature(layer: Any, digest: str, key: VerifyingKey, tag: _Tag) -> bool:
    if layer.get("mediaType") != payload_type or _is_too_large(layer):
        return False
    try:
        signature = base64.b64decode((layer.get("annotations") or {}).get(_annotation, ""), validate=True)
    except ValueError:
        return False
    payload = tag.read(layer)
    return key.verifies(payload, signature) and is_payload_of(payload, digest)


def _attest(stated: list[dict[str, Any]], key: SigningKey, tag: _Tag) -> None:
    """Add what is stated, without what the key attested of the same types before; write nothing if all is there."""
    layers, kinds = tag.layers(), {one["predicateType"] for one in stated}
    older = [(layer, None) for layer in layers[:-_MOST]]
    attested = [*older, *((layer, _attested(layer, key.public, tag)) for layer in layers[-_MOST:])]
    kept = [layer for layer, one in attested if one is None or one in stated or one.get("predicateType") not in kinds]
    missing = [one for one in stated if one not in [known for _, known in attested]]
    if missing or len(kept) < len(layers):
        blobs = [
            (envelope(one, key), envelope_type, {_annotation: "", "predicateType": one["predicateType"]})
            for one in missing
        ]
        tag.add(blobs, keep=kept)


def _attested(layer: Any, key: VerifyingKey, tag: _Tag) -> dict[str, Any] | None:
    """Return what a layer states; None if the key did not sign it."""
    if layer.get("mediaType") != envelope_type or _is_too_large(layer):
        return None
    return open_envelope(tag.read(layer), key)


def _is_too_large(layer: Any) -> bool:
    return int(layer["size"]) > _LARGEST_BLOB


@contextmanager
def _open(image: str, ending: str, login: Login | None) -> Iterator[_Tag]:
    name, _, digest = image.partition("@")
    with open_registry(f"{name}:{referrers_tag(digest)}.{ending}", login) as (registry, container):
        require_login(registry)
        yield _Tag(registry, container, digest, _artifact_type.format(ending=ending))


class _Tag:
    """A tag of a registry with signatures or attestations of the image ``digest``."""

    def __init__(self, registry: Any, container: Any, digest: str, kind: str) -> None:
        self._registry, self._container = registry, container
        self._digest, self._kind = digest, kind

    def layers(self) -> list[Any]:
        """Return the descriptors of the layers; empty if the registry lacks the tag."""
        address = f"{self._registry.prefix}://{self._container.manifest_url()}"
        answer = self._get(address, {"Accept": manifest_types})
        if answer.status_code == 404:
            return []
        require_success(answer)
        if len(answer.content) > _LARGEST:
            raise ValueError("the list of signatures is too large")
        return list(json.loads(answer.content)["layers"])

    def layers_of_referrers(self) -> list[Any]:
        """Return the descriptors of the layers of all artifacts of this kind that refer to the image."""
        found = referrers(self._registry, self._container, self._digest, self._kind)
        return [layer for manifest in found for layer in manifest["layers"]]

    def read(self, layer: Any) -> bytes:
        """Read a blob, and check its digest."""
        digest = str(layer["digest"])
        answer = self._get(f"{self._registry.prefix}://{self._container.get_blob_url(digest)}", {})
        require_success(answer)
        content = bytes(answer.content)
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            raise ValueError("the registry returned another blob than requested")
        return content

    def add(self, blobs: list[tuple[bytes, str, dict[str, str]]], keep: list[Any] | None = None) -> None:
        """Upload blobs and the manifest that lists them after those to keep (default: all present ones)."""
        layers = self.layers() if keep is None else list(keep)
        layers += [{**self._upload(content, kind), "annotations": notes} for content, kind, notes in blobs]
        config = {
            "architecture": "",
            "created": "0001-01-01T00:00:00Z",
            "os": "",
            "config": {},
            "history": [{"created": "0001-01-01T00:00:00Z"} for _ in layers],
            "rootfs": {"type": "layers", "diff_ids": [one["digest"] for one in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "artifactType": self._kind,
            "config": self._upload(json.dumps(config).encode(), _config_type),
            "layers": layers,
        }
        upload_referrer(self._registry, self._container, manifest, self._digest)

    def _upload(self, content: bytes, kind: str) -> dict[str, Any]:
        blob = {"mediaType": kind, "size": len(content), "digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}
        with TemporaryDirectory(prefix="packmill-signature-") as temporary:
            file = Path(temporary, "blob")
            file.write_bytes(content)
            upload_blob(self._registry, self._container, file, blob)
        return blob

    def _get(self, address: str, headers: Mapping[str, str]) -> Any:
        return self._registry.do_request(address, "GET", headers=dict(headers))
