"""The image: what it is called, what it is labelled with, what it is made of, and when it is the same again.

Pure: the texts and values here are carried out by `generator.containers.engine`.
"""

from __future__ import annotations

import re
from datetime import timezone

from generator import __version__
from generator.image.keys import digest_of, runner_digest
from generator.repository.source import Source
from generator.resources import data_folder, render

default_base_image = "docker.io/library/python:3.12-slim-bookworm"
key_label = "org.packmill.key"
source_label = "org.opencontainers.image.source"
repository_label = "org.packmill.repository"
"""``beside`` on environments that hold nothing of the repository; on others it may be ``inside``."""
settled = 315532800
"""The time of files that do not depend on a commit: 1980-01-01, the oldest that a zip file can hold."""


own_environment = "repository"
"""What identifies the environment when none was asked for."""


def reference(source: Source, *, environment: str = own_environment) -> str:
    """``<owner>.<name>:<checkout>-<short commit>-<digest>`` in the characters that an image reference may have.

    The words are for people: several repositories and checkouts may share them. The digest, 64 bits of address, whole
    commit and environment, tells images apart.

    The repository part is lower case; a checkout that is the commit itself is not named twice (OCI distribution
    specification, "Pulling manifests": name and tag).
    """
    path = re.sub(r"[^a-z0-9._-]+", "-", f"{source.owner}.{source.name}".lower().replace("/", "."))
    path = re.sub(r"[._-]*\.[._-]*", ".", re.sub(r"-*_+-*", "_", path))[-100:].strip("._-") or "local"
    short = source.commit[:12]
    asked = re.sub(r"[^A-Za-z0-9_.-]+", "-", source.checkout).strip(".-")[:90]
    tag = short if not asked or source.commit.startswith(source.checkout) else f"{asked}-{short}"
    return f"{path}:{tag}-{digest_of(source.address, source.commit, environment)[:16]}"


def pushed_reference(registry: str, reference: str) -> str:
    """The name of an image below a registry; an image's own registry gives way."""
    first, slash, rest = reference.partition("/")
    own = rest if slash and ("." in first or ":" in first or first == "localhost") else reference
    return f"{registry}/{own}" if ":" in own.rpartition("/")[2] else f"{registry}/{own}:latest"


def environment_reference(key: str) -> str:
    """The name of an environment in the engine's store. ``localhost`` can be no registry that anyone pulls from."""
    return f"localhost/packmill/environment:{key[:24]}"


def runner_reference(key: str) -> str:
    """The name of the runner's image."""
    return f"localhost/packmill/runner:{key[:24]}"


def staging_reference(base_image: str | None) -> str:
    """Name of the staging image in documents: the same for all builds by one packmill on one choice of base.

    It needs no engine, so that documents written without an image name it, too.
    """
    made_of = digest_of(__version__, runner_digest(), _staging_text(), base_image or "")
    return f"localhost/packmill/staging:{_tag(__version__)}-{made_of[:12]}"


def staging_key(runner: str, *, base_id: str) -> str:
    """Identify the content of a staging image: its runner image and its base."""
    return digest_of(_staging_text(), runner, base_id)


def staging_store_reference(key: str) -> str:
    """Name of a staging image by its content, in the engine's store."""
    return f"localhost/packmill/staging:{key[:24]}"


def pushed_staging_name(key: str) -> str:
    """Name of a staging image below the registry that it is pushed to."""
    return f"packmill-staging:{_tag(__version__)}-{key[:12]}"


def _staging_text() -> str:
    return (data_folder("templates") / "image" / "staging" / "Dockerfile").read_text(encoding="utf-8")


def _tag(version: str) -> str:
    """A version in the characters of a tag, which has no ``+`` (distribution specification, "Pulling manifests")."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", version)


def cached_reference(cache: str, reference: str) -> str:
    """The name of such an image in a registry that is used as a cache."""
    return reference.replace("localhost/packmill", cache, 1)


def labels(source: Source, image_key: str) -> dict[str, str]:
    """The OCI annotations of the image (opencontainers/image-spec, annotations.md), and packmill's own."""
    return {
        source_label: source.address,
        "org.opencontainers.image.revision": source.commit,
        "org.opencontainers.image.title": f"{source.owner}/{source.name}",
        "org.opencontainers.image.created": source.time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z"),
        "org.opencontainers.image.version": source.checkout,
        "org.packmill.version": __version__,
        key_label: image_key,
    }


def staging_dockerfile(*, base: str, runner: str, key: str) -> str:
    """The Dockerfile of the staging image."""
    return render(
        "image/staging/Dockerfile", base=base, runner=runner, version=__version__, key_label=key_label, key=key
    )
