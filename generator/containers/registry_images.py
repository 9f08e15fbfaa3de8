"""Look up images in a registry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.containers.registry_requests import TEMPORARY, UNFIT_ANSWERS
from generator.containers.registry_session import Login, open_registry
from generator.network.sessions import failure_reason
from generator.shared.errors import PublishError
from generator.shared.safe_text import printable

manifest_type = "application/vnd.oci.image.manifest.v1+json"
index_type = "application/vnd.oci.image.index.v1+json"
manifest_types = (
    f"{manifest_type}, application/vnd.docker.distribution.manifest.v2+json, "
    f"{index_type}, application/vnd.docker.distribution.manifest.list.v2+json"
)
"""Media types of manifests; an engine with containerd's image store pushes an index even for a single image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteImage:
    """An image in a registry."""

    digest: str
    labels: Mapping[str, str]


class _UnclearAnswerError(Exception):
    """The registry does not answer whether it has an image; the message is the reason."""


def look_up(target: str, *, login: Login | None) -> RemoteImage | None:
    """Look up the image ``target`` (``registry/name:tag``); None if the registry lacks it or does not show it.

    An index has the labels of its first image; other artifacts have none. None does not mean that the name is
    free: ask `find_holder` before an image is replaced.

    Raises:
        PublishError: the registry reports a failure of its own, so that nothing is known of the image.
    """
    try:
        return _request_image(target, login)
    except _UnclearAnswerError:
        return None


def find_holder(target: str, *, login: Login | None) -> RemoteImage | None:
    """Find the image that has the name ``target``; None only if the registry answers that it has none (404).

    Raises:
        PublishError: the registry fails, refuses the request, cannot be reached, or answers something else.
    """
    try:
        return _request_image(target, login)
    except _UnclearAnswerError as error:
        registry = target.split("/", maxsplit=1)[0]
        raise PublishError(
            f"{target}: the image cannot be pushed, because another one may have its name: {error}\n"
            f"  check the registry's address and your login ('docker login {registry}', or PACKMILL_REGISTRY_USER and "
            "PACKMILL_REGISTRY_PASSWORD); if the registry does not show repositories before their first push, leave "
            "out --image, or push without this check with --replace (CI variable: replace=yes)"
        ) from None


def _request_image(target: str, login: Login | None) -> RemoteImage | None:
    """Request an image; None for the status 404.

    Raises:
        PublishError: the registry reports a failure of its own.
        _UnclearAnswerError: the registry does not answer, or not with an image.
    """
    import requests

    try:
        with open_registry(target, login) as (registry, container):
            address = f"{registry.prefix}://{container.manifest_url()}"
            answer = _with_login(partial(_request_manifest, registry, address))
            _check_available(target, answer)
            if answer.status_code == 404:
                return None
            _require_ok(answer)
            digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
            manifest = json.loads(answer.content)
            if "manifests" in manifest:
                manifest = _read_first_image(registry, container, manifest)
            expected = manifest["config"]["digest"]
            blob = _with_login(partial(registry.get_blob, container, expected))
            _check_available(target, blob)
            if f"sha256:{hashlib.sha256(blob.content).hexdigest()}" != expected:
                raise _UnclearAnswerError("the registry returns content that does not match its digest")
        labels = _read_labels(json.loads(blob.content))
    except requests.RequestException as error:
        raise _UnclearAnswerError(f"the registry cannot be reached: {failure_reason(error)}") from None
    except (OSError, StopIteration, *UNFIT_ANSWERS) as error:
        raise _UnclearAnswerError(f"the registry's answer is not an image ({type(error).__name__})") from None
    return RemoteImage(digest=digest, labels=labels)


def _with_login(request: Callable[[], Any]) -> Any:
    """Send a request, for which oras logs in.

    Raises:
        requests.RequestException: the registry does not answer.
        _UnclearAnswerError: the login fails; oras raises various errors then.
    """
    import requests

    try:
        return request()
    except requests.RequestException:
        raise
    except UNFIT_ANSWERS:
        raise _UnclearAnswerError("the registry requires a login, which is missing or fails") from None


def _require_ok(answer: Any) -> None:
    """Check that a registry answers with what was requested.

    Raises:
        _UnclearAnswerError: the status is not 200.
    """
    if answer.status_code != 200:
        status = printable(f"{answer.status_code} {answer.reason}".strip())
        raise _UnclearAnswerError(f"the registry answers {status}")


def _read_labels(config: Any) -> Mapping[str, str]:
    """Return the labels in the configuration of an image.

    Raises:
        TypeError, AttributeError: they are not texts by their names.
    """
    labels = (config.get("config") or {}).get("Labels") or {}
    if not all(isinstance(text, str) for text in labels.values()):
        raise TypeError("a label is not a text")
    return dict(labels)


def _check_available(target: str, answer: Any) -> None:
    """Check that the registry answers, with any status.

    Raises:
        PublishError: it reports a failure of its own.
    """
    if answer.status_code in TEMPORARY:
        status = f"{answer.status_code} {answer.reason}".strip()
        raise PublishError(f"{target}: the registry answers {status}, also when asked again; try again later")


def _read_first_image(registry: Any, container: Any, index: Mapping[str, Any]) -> Any:
    """Return the manifest of an index's first image; BuildKit's attestations have an unknown platform."""
    digest = next(
        one["digest"] for one in index["manifests"] if (one.get("platform") or {}).get("architecture") != "unknown"
    )
    address = f"{registry.prefix}://{container.manifest_url(digest)}"
    return json.loads(_request_manifest(registry, address).content)


def _request_manifest(registry: Any, address: str) -> Any:
    return registry.do_request(address, "GET", headers={"Accept": manifest_types})
