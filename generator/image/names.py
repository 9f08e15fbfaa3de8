"""Names and labels of the images that packmill builds."""

from __future__ import annotations

import re

from generator import __version__
from generator.image.keys import digest_of, formats_templates, runner_digest, staging_template
from generator.metadata.licenses import spdx_expression
from generator.metadata.metadata import Metadata, Person
from generator.metadata.sources import git
from generator.repository.source import Source

default_base_image = "docker.io/library/python:3.12-slim-bookworm"
key_label = "org.packmill.key"
source_label = "org.opencontainers.image.source"
repository_label = "org.packmill.repository"
"""``beside`` on environments without files of the repository; on others it may be ``inside``."""  # english: ignore
holds_label = "org.packmill.holds"
"""What an image that is a layer of others holds: ``runner`` or ``formats``."""
own_environment = "repository"
"""Identifies the repository's own environment in an image name."""


def reference(source: Source, *, environment: str = own_environment, variants: tuple[str, ...] = ()) -> str:
    """Return ``<owner>.<name>:<checkout>-<short commit>-<digest>`` in the characters of an image reference.

    Several repositories and checkouts may share the words, which are for people. The digest, 64 bits of address, full
    commit, environment and ``variants`` (options with which the image differs), identifies the image.

    The repository part is lower case; a checkout that is the commit itself is not repeated (OCI distribution
    specification, "Pulling manifests": name and tag).
    """
    path = re.sub(r"[^a-z0-9._-]+", "-", f"{source.owner}.{source.name}".lower().replace("/", "."))
    path = re.sub(r"[._-]+", _separator, path)[-100:].strip("._-") or "local"
    short = source.commit[:12]
    checkout = re.sub(r"[^A-Za-z0-9_.-]+", "-", source.checkout).strip(".-")[:90]
    tag = short if not checkout or source.commit.startswith(source.checkout) else f"{checkout}-{short}"
    return f"{path}:{tag}-{digest_of(source.address, source.commit, environment, *variants)[:16]}"


def _separator(found: re.Match[str]) -> str:
    """Return a separator that a repository's name may have (distribution/reference, "separator")."""
    run = found[0]
    return "." if "." in run else "_" * min(2, len(re.findall("_+", run))) or run


def pushed_reference(registry: str, reference: str) -> str:
    """Return the name of an image in a registry, which replaces the registry in the name itself."""
    first, slash, rest = reference.partition("/")
    own = rest if slash and ("." in first or ":" in first or first == "localhost") else reference
    return f"{registry}/{own}" if ":" in own.rpartition("/")[2] else f"{registry}/{own}:latest"


def environment_reference(key: str) -> str:
    """Return the name of an environment in the engine. ``localhost`` is not a registry that anyone pulls from."""
    return f"localhost/packmill/environment:{key[:24]}"


def runner_reference(key: str) -> str:
    """Return the name of a runner image in the engine."""
    return f"localhost/packmill/runner:{key[:24]}"


def formats_reference(key: str) -> str:
    """Return the name of an image with the packages that read scientific formats in the engine."""
    return f"localhost/packmill/formats:{key[:24]}"


def staging_reference(base_image: str | None, *, formats: bool = False) -> str:
    """Return the name of the staging image in documents, which depends on packmill's version and the arguments alone.

    It needs no engine, so that documents written without an image can name it, too.
    """
    further = [path.read_text(encoding="utf-8") for path in formats_templates()] if formats else []
    made_of = digest_of(__version__, runner_digest(), staging_template(), base_image or "", *further)
    return f"localhost/packmill/staging:{_tag(__version__)}-{made_of[:12]}"


def staging_store_reference(key: str) -> str:
    """Return the name of a staging image in the engine, by its key."""
    return f"localhost/packmill/staging:{key[:24]}"


def pushed_staging_name(key: str) -> str:
    """Return the name of a staging image in the registry that it is pushed to."""
    return f"packmill-staging:{_tag(__version__)}-{key[:12]}"


def cached_reference(cache: str, reference: str) -> str:
    """Return the name of an environment or runner image in a registry that is used as a cache."""
    return reference.replace("localhost/packmill", cache, 1)


def labels(source: Source, image_key: str, metadata: Metadata) -> dict[str, str]:
    """Return the OCI annotations of an image (opencontainers/image-spec, annotations.md) and packmill's own labels.

    ``metadata`` is the repository's. A license that is not an SPDX expression gives no annotation.
    """
    known = metadata.over(git.read(source))
    stated = {
        "title": known.name or f"{source.owner}/{source.name}",
        "version": known.version,
        "description": known.description,
        "authors": _names(known.author),
        "licenses": spdx_expression(known.license) if known.license else "",
        "documentation": known.software_help,
        "vendor": _names(known.publisher),
    }
    return {
        source_label: source.address,
        "org.opencontainers.image.revision": source.commit,
        "org.opencontainers.image.created": source.timestamp,
        **{f"org.opencontainers.image.{name}": line for name, text in stated.items() if (line := _line(text))},
        "org.packmill.version": __version__,
        key_label: image_key,
    }


def _names(people: tuple[Person, ...]) -> str:
    return ", ".join(f"{one.name} <{one.email}>" if one.email else one.name for one in people)


def _line(text: str) -> str:
    """Return a text as the one line that a label may have."""
    return " ".join(text.split())[:1000]


def _tag(version: str) -> str:
    """Return a version in the characters of a tag, without ``+`` (distribution specification, "Pulling manifests")."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", version)
