"""Artifacts that refer to an image by their ``subject``: uploaded so that clients find them, and listed.

Registries list them by the referrers API. For one without it, clients keep the list themselves: an index at the tag
``sha256-<digest>`` (OCI distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema").
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from generator.containers.registry_images import index_type, manifest_type, manifest_types
from generator.containers.registry_requests import require_success

_LACKING = frozenset((400, 404, 405, 406))
"""Statuses of registries without the referrers API; the specification has 404."""
_LARGEST = 4 << 20
"""Bytes of a list or manifest that are read: registries accept no larger ones."""
_MOST, _PAGES = 100, 10
_ATTEMPTS = 3
"""How often the tag is written, which another client may replace meanwhile."""


def upload_referrer(registry: Any, container: Any, manifest: Mapping[str, Any], digest: str) -> None:
    """Upload the manifest of an artifact at the container's tag, with the image ``digest`` as its subject.

    A list that clients keep loses the artifact that had the tag; a registry with the API lists all that it has.

    Raises:
        ValueError: the registry lacks the image, or refuses the manifest.
        requests.RequestException: the registry does not answer.
    """
    before = _read_digest(registry, container)
    answer = registry.upload_manifest({**manifest, "subject": _describe(registry, container, digest)}, container)
    require_success(answer)
    if "OCI-Subject" in answer.headers:  # "Pushing Manifests with Subject": the registry lists it itself
        return
    content = bytes(answer.request.body)
    descriptor = {
        "mediaType": manifest_type,
        "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "size": len(content),
        "artifactType": manifest.get("artifactType") or manifest["config"]["mediaType"],
    }
    _list_at_tag(registry, container, digest, descriptor, before)


def referrers(registry: Any, container: Any, digest: str, artifact_type: str) -> list[dict[str, Any]]:
    """Return the manifests of the artifacts of a type that refer to the image ``digest``; at most 100.

    Raises:
        ValueError: an answer is too large, or not what was requested.
        requests.RequestException: the registry does not answer.
    """
    listed = _ask_api(registry, container, digest, artifact_type)
    if listed is None:
        listed = list(_read_tag(registry, container, digest).get("manifests") or ())
    found = [one for one in listed if one.get("artifactType") == artifact_type]
    return [_read_manifest(registry, container, str(one["digest"])) for one in found[:_MOST]]


def referrers_tag(digest: str) -> str:
    """Return the tag at which clients keep the list of an image's referrers."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


def _ask_api(registry: Any, container: Any, digest: str, artifact_type: str) -> list[dict[str, Any]] | None:
    """Return the descriptors that the registry lists; None if it has no referrers API."""
    start = f"{registry.prefix}://{container.registry}/v2/{container.api_prefix}/referrers/{digest}"
    address, found = f"{start}?artifactType={quote(artifact_type, safe='')}", list[dict[str, Any]]()
    for _ in range(_PAGES):
        answer = registry.do_request(address, "GET", headers={"Accept": index_type})
        if answer.status_code in _LACKING:
            return None
        require_success(answer)
        if answer.headers.get("Content-Type", "").partition(";")[0].strip() != index_type:
            return None  # a page for people, of a server that answers every path
        found += _parse(answer)["manifests"]
        following = urljoin(address, answer.links.get("next", {}).get("url", ""))
        if following == address or len(found) >= _MOST:
            break
        if urlsplit(following)[:3] != urlsplit(start)[:3]:  # it would get the registry's password
            raise ValueError("the list of referrers continues at another address")
        address = following
    return found


def _list_at_tag(registry: Any, container: Any, digest: str, descriptor: Mapping[str, Any], before: str) -> None:
    address = f"{registry.prefix}://{container.manifest_url(referrers_tag(digest))}"
    for _ in range(_ATTEMPTS):
        index = _read_tag(registry, container, digest)
        listed = list(index.get("manifests") or ())
        if descriptor in listed:
            return
        others = [one for one in listed if one.get("digest") not in (before, descriptor["digest"])]
        new = {"schemaVersion": 2, "mediaType": index_type, **index, "manifests": [*others, descriptor]}
        body = json.dumps(new).encode()
        require_success(registry.do_request(address, "PUT", data=body, headers={"Content-Type": index_type}))
    if descriptor not in (_read_tag(registry, container, digest).get("manifests") or ()):
        raise ValueError(f"{referrers_tag(digest)}: other programs keep replacing this list; try again later")


def _read_tag(registry: Any, container: Any, digest: str) -> dict[str, Any]:
    """Return the index at the tag of an image's referrers; empty if the registry lacks the tag."""
    address = f"{registry.prefix}://{container.manifest_url(referrers_tag(digest))}"
    answer = registry.do_request(address, "GET", headers={"Accept": index_type})
    if answer.status_code == 404:
        return {}
    require_success(answer)
    return _parse(answer)


def _read_digest(registry: Any, container: Any) -> str:
    """Return the digest of what the container's tag has; empty if the registry lacks the tag."""
    address = f"{registry.prefix}://{container.manifest_url()}"
    answer = registry.do_request(address, "GET", headers={"Accept": manifest_types})
    return f"sha256:{hashlib.sha256(answer.content).hexdigest()}" if answer.status_code == 200 else ""


def _read_manifest(registry: Any, container: Any, digest: str) -> dict[str, Any]:
    answer = registry.do_request(
        f"{registry.prefix}://{container.manifest_url(digest)}", "GET", headers={"Accept": manifest_types}
    )
    require_success(answer)
    if f"sha256:{hashlib.sha256(answer.content).hexdigest()}" != digest:
        raise ValueError("the registry returned another manifest than requested")
    return _parse(answer)


def _parse(answer: Any) -> dict[str, Any]:
    if len(answer.content) > _LARGEST:
        raise ValueError("the list of referrers is too large")
    parsed = json.loads(answer.content)
    if not isinstance(parsed, dict):
        raise TypeError("the registry returned no object")
    return parsed


def _describe(registry: Any, container: Any, digest: str) -> dict[str, Any]:
    """Return the descriptor of the image, whose manifest may be in Docker's own format."""
    address = f"{registry.prefix}://{container.manifest_url(digest)}"
    answer = registry.do_request(address, "GET", headers={"Accept": manifest_types})
    require_success(answer)
    media_type = json.loads(answer.content).get("mediaType", manifest_type)
    return {"mediaType": media_type, "digest": digest, "size": len(answer.content)}
