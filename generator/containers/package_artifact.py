"""Push a package, and a bill of materials, to a registry as OCI artifacts that refer to their image."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from generator.containers.referrers import referrers_tag, upload_referrer
from generator.containers.registry_images import manifest_type
from generator.containers.registry_requests import UNFIT_ANSWERS, upload_blob
from generator.containers.registry_session import Login, open_registry, require_login
from generator.shared.errors import PublishError

package_type = "application/vnd.packmill.package.v1"
"""The artifact type of a package (OCI image-spec 1.1, "Guidelines for Artifact Usage")."""
sbom_type = "application/vnd.cyclonedx+json"
"""The media type of CycloneDX, by which scanners look for bills of materials among an image's referrers."""

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
    digest = image.partition("@")[2]
    contents = {
        file: (folder / file, _MEDIA_TYPES.get(Path(file).suffix, "application/octet-stream")) for file in files
    }
    return _push(image, package_tag(digest, name), package_type, contents, title="package", login=login)


def push_sbom(file: Path, image: str, *, login: Login | None) -> str:
    """Push a bill of materials next to the image ``registry/name@digest``, as `push_package` does; return its address.

    Its tag is the one where cosign has it (``sha256-<digest>.sbom``).

    Raises:
        PublishError: the registry rejects the artifact.
    """
    tag = f"{referrers_tag(image.partition('@')[2])}.sbom"
    return _push(image, tag, sbom_type, {file.name: (file, sbom_type)}, title="bill of materials", login=login)


def _push(
    image: str, tag: str, kind: str, files: Mapping[str, tuple[Path, str]], *, title: str, login: Login | None
) -> str:
    import requests

    repository, _, digest = image.partition("@")
    target = f"{repository}:{tag}"
    try:
        with open_registry(target, login) as (registry, container):
            require_login(registry)
            upload_referrer(registry, container, _upload_files(registry, container, kind, files), digest)
    except (requests.RequestException, OSError, *UNFIT_ANSWERS) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise PublishError(f"{target}: the registry rejects the {title}: {lines[0]}") from None
    return target


def package_tag(digest: str, name: str) -> str:
    """Return the tag of a package by its image's digest, and by its process's folder (default: empty)."""
    plain = re.sub(r"[^\w.-]", "-", name, flags=re.ASCII)[:_LONGEST_NAME]
    short = "" if plain == name else f"-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"
    return f"{referrers_tag(digest)}.package{'.' if name else ''}{plain}{short}"


def _upload_files(registry: Any, container: Any, kind: str, files: Mapping[str, tuple[Path, str]]) -> dict[str, Any]:
    """Upload files, a layer each, by their names with their media types; return the manifest of their artifact."""
    with TemporaryDirectory(prefix="packmill-artifact-") as temporary:
        empty = Path(temporary, "empty.json")
        empty.write_text("{}")
        config = _upload(registry, container, empty, _EMPTY)
        layers = []
        for name, (path, media_type) in sorted(files.items()):
            layer = _upload(registry, container, path, media_type)
            layers.append({**layer, "annotations": {"org.opencontainers.image.title": name}})
    return {"schemaVersion": 2, "mediaType": manifest_type, "artifactType": kind, "config": config, "layers": layers}


def _upload(registry: Any, container: Any, path: Path, media_type: str) -> dict[str, Any]:
    content = path.read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    blob = {"mediaType": media_type, "digest": digest, "size": len(content)}
    upload_blob(registry, container, path, blob)
    return blob
