"""Push a package to a registry as an OCI artifact that refers to its image."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from generator.containers.registry import manifest_type, manifest_types, require_login
from generator.containers.registry_requests import require_success, upload_blob
from generator.containers.registry_session import Login, open_registry
from generator.shared.errors import PublishError

package_type = "application/vnd.packmill.package.v1"
"""The artifact type of a package (OCI image-spec 1.1, "Guidelines for Artifact Usage")."""


_LONGEST_NAME = 30
"""Characters of a process's name in a tag, which has at most 128 (distribution specification)."""
_EMPTY = "application/vnd.oci.empty.v1+json"


_MEDIA_TYPES = {
    ".json": "application/json",
    ".md": "text/markdown",
    ".yml": "application/yaml",
    ".cwl": "application/cwl",
}


def push_package(folder: Path, files: Iterable[str], image: str, *, name: str = "", login: Login | None) -> str:
    """Push files of a package's folder next to the image ``registry/name@digest``; return the artifact's address.

    Its tag follows the referrers tag schema of the distribution specification, with the suffix ``.package``, and its
    ``subject`` refers to the image. An image serves several processes: ``name`` tells their packages apart. The
    artifact contains no time, so the same files give the same artifact.

    Raises:
        PublishError: the registry rejects the artifact.
    """
    import requests

    repository, _, digest = image.partition("@")
    target = f"{repository}:{package_tag(digest, name)}"
    try:
        with open_registry(target, login) as (registry, container):
            require_login(registry)
            manifest = _upload_files(registry, container, {file: folder / file for file in files})
            manifest["subject"] = _describe_image(registry, container, digest)
            require_success(registry.upload_manifest(manifest, container))
    except (requests.RequestException, ValueError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise PublishError(f"{target}: the registry rejects the package: {lines[0]}") from None
    return target


def package_tag(digest: str, name: str) -> str:
    """Return the tag of a package by its image's digest, and by its process's folder (default: empty)."""
    plain = re.sub(r"[^\w.-]", "-", name, flags=re.ASCII)[:_LONGEST_NAME]
    short = "" if plain == name else f"-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"
    return f"{digest.replace(':', '-')}.package{'.' if name else ''}{plain}{short}"


def _upload_files(registry: Any, container: Any, files: Mapping[str, Path]) -> dict[str, Any]:
    """Upload the files of a package, a layer each; return its manifest."""
    with TemporaryDirectory(prefix="packmill-artifact-") as temporary:
        empty = Path(temporary, "empty.json")
        empty.write_text("{}")
        config = _upload(registry, container, empty, _EMPTY)
        layers = []
        for name, path in sorted(files.items()):
            layer = _upload(registry, container, path, _MEDIA_TYPES.get(path.suffix, "application/octet-stream"))
            layers.append({**layer, "annotations": {"org.opencontainers.image.title": name}})
    head = {"schemaVersion": 2, "mediaType": manifest_type, "artifactType": package_type}
    return {**head, "config": config, "layers": layers}


def _upload(registry: Any, container: Any, path: Path, media_type: str) -> dict[str, Any]:
    content = path.read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    blob = {"mediaType": media_type, "digest": digest, "size": len(content)}
    upload_blob(registry, container, path, blob)
    return blob


def _describe_image(registry: Any, container: Any, digest: str) -> dict[str, Any]:
    """Return the descriptor of the image, whose manifest may be in Docker's own format."""
    address = f"{registry.prefix}://{container.manifest_url(digest)}"
    answer = registry.do_request(address, "GET", headers={"Accept": manifest_types})
    require_success(answer)
    media_type = json.loads(answer.content).get("mediaType", manifest_type)
    return {"mediaType": media_type, "digest": digest, "size": len(answer.content)}
