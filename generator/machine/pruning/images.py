"""Choose the images that packmill built, that are old, and that no container, package or newer image uses.

A label alone proves nothing: an image that someone builds from a package's image inherits its labels. So the names must
be those that packmill gives, too; images with names of people (``--image``) and without a name stay.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from functools import partial

from generator.containers.local_images import LocalImage, remove_names
from generator.image.base.debian import recipe_label
from generator.image.names import holds_label, key_label, repository_label
from generator.machine.pruning.removal import Kind, Removal

_INTERMEDIATE = re.compile(
    r"(?:[^@]+/)?(?:"
    r"(?P<kind>environment|runner|formats):[0-9a-f]{24}(?:-[0-9a-f]{8})?"  # of a build that was killed
    r"|(?:packmill-)?(?P<staging>staging):(?:[0-9a-f]{24}|[\w.-]+-[0-9a-f]{12})"
    r"|(?P<base>base):[\w.-]+)"
)
_OF_PROCESS = re.compile(r"(?:[^@]+/)?[a-z0-9._-]+:(?:[\w.-]+-)?(?P<commit>[0-9a-f]{12})-[0-9a-f]{16}")
_REVISION = "org.opencontainers.image.revision"
_TITLE, _STAGING = "org.opencontainers.image.title", "packmill staging"
"""The label of staging images alone (``templates/image/staging/Dockerfile``)."""
_LABELS = {
    "environment": (repository_label,),
    "runner": (holds_label,),
    "formats": (holds_label,),
    "staging": (key_label,),
    "base": (recipe_label,),
}
_OWN = "localhost/packmill/"
own_base = f"{_OWN}base:"
"""The beginning of the names of base images that packmill made."""


def old_images(images: Sequence[LocalImage], *, before: float, used: Collection[str]) -> tuple[Removal, ...]:
    """Return the images to remove; ``used`` are names and digests of layers in packages."""
    kinds = {image.id: kind for image in images if (kind := _kind(image)) is not None}
    candidates = [image for image in images if image.id in kinds and _is_unused(image, before, used)]
    ids = {image.id for image in candidates}
    kept = [image for image in images if image.id not in ids]
    removed = [image for image in candidates if not _is_part_of(image, kept)]
    return tuple(
        Removal(
            kind=kinds[image.id],
            name=image.names[0],
            size=_own_size(image, images, removed),
            time=image.time,
            remove=partial(remove_names, image),
        )
        for image in removed
    )


def images_over(images: Sequence[LocalImage], *, quota: int, used: Collection[str]) -> tuple[Removal, ...]:
    """Return the oldest images to remove so that packmill's images fit a quota in bytes; as many as can be removed."""
    excess = total_size(images) - quota
    if excess <= 0:
        return ()

    def older(time: float) -> tuple[Removal, ...]:
        return old_images(images, before=math.nextafter(time, math.inf), used=used)

    times = sorted({image.time for image in images})
    least = bisect_left(times, excess, key=lambda time: sum(one.size for one in older(time)))
    return older(times[min(least, len(times) - 1)])


def total_size(images: Sequence[LocalImage]) -> int:
    """Return the bytes of packmill's images, without the layers of the images of others that they begin with."""
    own = [image for image in images if _kind(image) is not None]
    return sum(_own_size(image, images, own) for image in own)


def _kind(image: LocalImage) -> Kind | None:
    """Return what packmill built the image for; None for an image of someone else."""
    kinds = {_kind_of_name(name, image) for name in image.names}
    return kinds.pop() if len(kinds) == 1 else None


def _kind_of_name(name: str, image: LocalImage) -> Kind | None:
    intermediate = _INTERMEDIATE.fullmatch(name)
    if intermediate:
        word = intermediate["kind"] or intermediate["staging"] or intermediate["base"]
        if not any(label in image.labels for label in _LABELS[word]) or (word == "base" and not name.startswith(_OWN)):
            return None
        if word == "staging" and image.labels.get(_TITLE) != _STAGING:  # an image built from a package's has its key
            return None
        return Kind.ENVIRONMENT if word == "environment" else Kind.LAYER
    final = _OF_PROCESS.fullmatch(name)
    is_own = final and key_label in image.labels and image.labels.get(_REVISION, "").startswith(final["commit"])
    return Kind.IMAGE if is_own else None


def _is_unused(image: LocalImage, before: float, used: Collection[str]) -> bool:
    """Whether an image is old, and neither a container nor a package needs it."""
    is_needed = image.has_container or any(name in used for name in image.names)
    return image.time < before and not is_needed and not _ends_in(image, used)


def _ends_in(image: LocalImage, used: Collection[str]) -> bool:
    """Whether the image's last layer is one of a package's image: it is that image, or a part of it."""
    return bool(image.layers) and image.layers[-1] in used


def _is_part_of(image: LocalImage, others: Iterable[LocalImage]) -> bool:
    length = len(image.layers)
    return bool(length) and any(other.layers[:length] == image.layers for other in others)


def _own_size(image: LocalImage, images: Sequence[LocalImage], removed: Sequence[LocalImage]) -> int:
    """Return the bytes that an image has in addition to the images that it begins with; each layer counts once."""
    twins = [one for one in removed if one.layers == image.layers]
    if image.layers and twins and twins[0].id != image.id:
        return 0
    sizes = [
        other.size
        for other in images
        if len(other.layers) < len(image.layers) and other.layers == image.layers[: len(other.layers)]
    ]
    return max(0, image.size - max(sizes, default=0))
