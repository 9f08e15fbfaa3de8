"""Images and packages in a registry: looked up, pulled, and pushed under a name of it, known from then on by digest."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import docker.errors

from generator.containers.engine import connected
from generator.network.addresses import checked_addresses
from generator.network.guarded_proxy import guarded_proxy
from generator.shared.errors import PublishError

if TYPE_CHECKING:
    import requests

package_type = "application/vnd.packmill.package.v1"
"""The artifact type of a package (OCI image-spec 1.1, "Guidelines for Artifact Usage")."""
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_IMAGE_KINDS = (
    f"{_MANIFEST}, application/vnd.docker.distribution.manifest.v2+json, "
    f"{_INDEX}, application/vnd.docker.distribution.manifest.list.v2+json"
)
"""An engine with containerd's image store pushes an index, also of a single image."""
_EMPTY = "application/vnd.oci.empty.v1+json"
_MEDIA_TYPES = {
    ".json": "application/json",
    ".md": "text/markdown",
    ".yml": "application/yaml",
    ".cwl": "application/cwl",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """Who pushes; without one the engine's own configuration file decides (``docker login``).

    ``guarded`` is for a registry that a stranger named: it is asked at public and ``reachable`` addresses alone.
    """

    user: str
    password: str = field(repr=False)
    guarded: bool = False
    reachable: tuple[str, ...] = ()


anonymous = Login(user="", password="")
"""No login at all, whatever the engine's configuration file says."""


def push(reference: str, target: str, *, login: Login | None, on_line: Callable[[str], None]) -> str:
    """Pushes the image ``reference`` as ``target`` (``registry/name:tag``); its digest in the registry.

    Raises:
        PublishError: the registry did not take it; the message has its own words.
    """
    name, _, tag = target.rpartition(":")
    _check_engine(target, login)
    with connected() as client:
        try:
            client.images.get(reference).tag(name, tag=tag)
            lines = client.api.push(name, tag=tag, stream=True, decode=True, auth_config=_auth(login))
            return _followed(lines, target, on_line)
        except docker.errors.APIError as error:
            raise PublishError(_failure(target, str(error.explanation or error))) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Remote:
    """An image in a registry."""

    digest: str
    labels: Mapping[str, str]


def look_up(target: str, *, login: Login | None) -> Remote | None:
    """The image ``target`` (``registry/name:tag``), None when the registry does not have it or does not say.

    The labels of an index are those of its first image; what is no image has none.
    """
    import requests

    try:
        with _opened(target, login) as (registry, container):
            answer = _asked_once(registry, f"{registry.prefix}://{container.manifest_url()}")
            if answer.status_code != 200:
                return None
            digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
            manifest = json.loads(answer.content)
            if "manifests" in manifest:
                manifest = _first_image(registry, container, manifest)
            blob = registry.get_blob(container, manifest["config"]["digest"])
        labels = (json.loads(blob.content).get("config") or {}).get("Labels") or {}
    except (requests.RequestException, ValueError, LookupError, TypeError, AttributeError, OSError, StopIteration):
        return None
    return Remote(digest=digest, labels=labels)


def _first_image(registry: Any, container: Any, index: Mapping[str, Any]) -> Any:
    """The manifest of an index's first image; BuildKit's attestations in it are of an unknown platform."""
    digest = next(
        one["digest"] for one in index["manifests"] if (one.get("platform") or {}).get("architecture") != "unknown"
    )
    address = f"{registry.prefix}://{container.manifest_url(digest)}"
    return json.loads(_asked_once(registry, address).content)


def _require_login(registry: Any) -> None:
    """Refuse to go on without a password where the registry wants one; oras fails late, and with an AttributeError.

    Raises:
        ValueError: none is known.
    """
    try:
        registry.auth.get_auth_header()
    except AttributeError:
        raise ValueError(
            "it wants a password, and the engine's configuration file has none for it: set PACKMILL_REGISTRY_USER and "
            "PACKMILL_REGISTRY_PASSWORD"
        ) from None


def _asked_once(registry: Any, address: str) -> Any:
    """Request a manifest without oras's retries.

    They wait for two minutes in all where a registry wants a password and none is known, which oras 0.2.43 takes for
    a passing fault. A registry that does not answer now is asked again by the push.
    """
    request = type(registry).do_request
    request = getattr(request, "__wrapped__", request)
    return request(registry, address, "GET", headers={"Accept": _IMAGE_KINDS})


def pull(target: str, *, login: Login | None) -> bool:
    """Pulls ``registry/name:tag`` or ``registry/name@digest`` into the engine's store; whether it is there now."""
    _check_engine(target, login)
    with connected() as client:
        try:
            client.images.pull(target, auth_config=_auth(login))
        except docker.errors.APIError:
            return False
    return True


def _auth(login: Login | None) -> dict[str, str] | None:
    if login is None:
        return None
    return {"username": login.user, "password": login.password} if login.user else {}


@contextmanager
def _opened(target: str, login: Login | None) -> Iterator[tuple[Any, Any]]:
    """oras's registry and container for a name, logged in."""
    import oras.container
    import oras.provider

    logging.getLogger("oras").setLevel(logging.CRITICAL)  # what it has to say is in the answer that is raised
    host = target.partition("/")[0]
    plain = _is_loopback(host.partition(":")[0])  # as Docker has it
    container = oras.container.Container(target)
    with _session(login, plain=plain) as session:
        backend = "basic" if _challenge(session, host, plain=plain).lower().startswith("basic") else "token"
        registry = oras.provider.Registry(insecure=plain, tls_verify=session.verify, auth_backend=backend)
        registry.session.proxies, registry.session.trust_env = session.proxies, session.trust_env
        if login and login.user:
            registry.auth.set_basic_auth(login.user, login.password)
        elif login is None:
            registry.auth.load_configs(container)
        yield registry, container


@contextmanager
def _session(login: Login | None, *, plain: bool) -> Iterator[requests.Session]:
    """Requests to a registry; guarded ones reach checked addresses alone, redirects included, without ``.netrc``."""
    import requests

    with requests.Session() as session, ExitStack() as stack:
        session.verify = session.merge_environment_settings("", {}, None, None, None)["verify"]
        if login and login.guarded:
            session.trust_env = False
            if not plain:
                proxy = stack.enter_context(guarded_proxy(login.reachable))
                session.proxies = {"http": proxy.url, "https": proxy.url}
        yield session


def _challenge(session: requests.Session, host: str, *, plain: bool) -> str:
    """How a registry wants to be asked for access (distribution spec, "Auth")."""
    address = f"{'http' if plain else 'https'}://{host}/v2/"
    return session.get(address, timeout=30).headers.get("WWW-Authenticate", "")


def _check_engine(target: str, login: Login | None) -> None:
    """Refuse a registry that sends the engine, which no proxy of ours guards, to a private address for its login.

    Raises:
        PublishError: it does.
    """
    import requests

    if not login or not login.guarded:
        return
    host = target.partition("/")[0]
    plain = _is_loopback(host.partition(":")[0])
    try:
        with _session(login, plain=plain) as session:
            realm = re.search(r'realm="([^"]*)"', _challenge(session, host, plain=plain))
        if realm and "://" in realm[1]:
            checked_addresses(urlsplit(realm[1]).hostname or "", login.reachable)
    except (requests.RequestException, ValueError, OSError) as error:
        raise PublishError(f"{target}: the registry cannot be used here: {error}") from None


def _followed(lines: Any, target: str, on_line: Callable[[str], None]) -> str:
    """Tells each layer once when it begins and once when it is there; the digest of the last line."""
    told: set[tuple[str, str]] = set()
    digest = ""
    for line in lines:
        if "error" in line:
            raise PublishError(_failure(target, str(line["error"])))
        digest = _digest(line) or digest
        if found := re.search(r"digest: (sha256:[0-9a-f]{64})", str(line.get("status", ""))):
            digest = digest or found[1]  # Podman says it in words alone
        layer, status = str(line.get("id", "")), str(line.get("status", ""))
        if layer and status in ("Pushed", "Layer already exists") and (layer, status) not in told:
            told.add((layer, status))
            on_line(f"{layer}: {status.lower()}")
    if not digest:
        raise PublishError(_failure(target, "the registry gave no digest"))
    return digest


def _digest(line: Mapping[str, Any]) -> str:
    extra = line.get("aux")
    return str(extra.get("Digest", "")) if isinstance(extra, dict) else ""


def _failure(target: str, cause: str) -> str:
    registry = target.split("/", maxsplit=1)[0]
    message = f"{target}: the image could not be pushed: {cause.strip()}"
    if any(word in cause.lower() for word in ("denied", "unauthorized", "authentication", "no basic auth")):
        message += (
            f"\n  log in with 'docker login {registry}', or set PACKMILL_REGISTRY_USER and PACKMILL_REGISTRY_PASSWORD"
        )
    return message


def push_package(folder: Path, files: Iterable[str], image: str, *, login: Login | None) -> str:
    """Pushes files of a package's folder beside the image ``registry/name@digest``; the artifact's address.

    It is tagged as the distribution specification's referrers tag schema has it, with ``.package`` at the end, and
    refers to the image by ``subject``. The same files give the same artifact: no time is in it.

    Raises:
        PublishError: the registry does not take it.
    """
    import requests

    name, _, digest = image.partition("@")
    target = f"{name}:{digest.replace(':', '-')}.package"
    try:
        with _opened(target, login) as (registry, container):
            _require_login(registry)
            manifest = _manifest(registry, container, {name: folder / name for name in files})
            manifest["subject"] = _subject(registry, container, digest)
            _checked(registry.upload_manifest(manifest, container))
    except (requests.RequestException, ValueError, OSError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise PublishError(f"{target}: the registry does not take the package: {said[0]}") from None
    return target


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _manifest(registry: Any, container: Any, files: Mapping[str, Path]) -> dict[str, Any]:
    """The manifest of a package whose files are in the registry now, a layer each."""
    with TemporaryDirectory(prefix="packmill-artifact-") as temporary:
        empty = Path(temporary, "empty.json")
        empty.write_text("{}")
        config = _uploaded(registry, container, empty, _EMPTY)
        layers = []
        for name, path in sorted(files.items()):
            layer = _uploaded(registry, container, path, _MEDIA_TYPES.get(path.suffix, "application/octet-stream"))
            layers.append({**layer, "annotations": {"org.opencontainers.image.title": name}})
    head = {"schemaVersion": 2, "mediaType": _MANIFEST, "artifactType": package_type}
    return {**head, "config": config, "layers": layers}


def _uploaded(registry: Any, container: Any, path: Path, media_type: str) -> dict[str, Any]:
    content = path.read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    blob = {"mediaType": media_type, "digest": digest, "size": len(content)}
    _checked(registry.upload_blob(str(path), container, blob))
    return blob


def _subject(registry: Any, container: Any, digest: str) -> dict[str, Any]:
    """The descriptor of the image, whose manifest may be Docker's own kind."""
    address = f"{registry.prefix}://{container.manifest_url(digest)}"
    answer = registry.do_request(address, "GET", headers={"Accept": _IMAGE_KINDS})
    _checked(answer)
    media_type = json.loads(answer.content).get("mediaType", _MANIFEST)
    return {"mediaType": media_type, "digest": digest, "size": len(answer.content)}


def _checked(answer: Any) -> None:
    if answer.status_code not in (200, 201, 202):
        raise ValueError(f"{answer.status_code} {answer.reason}: {answer.text[:200]}")
